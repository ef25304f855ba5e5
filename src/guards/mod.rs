//! Checks: evidence in, findings out. Pure; one table of guards for run, audit and plan.

pub mod evidence;
