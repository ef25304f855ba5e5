//! Documents in every spelling that clients write and some that they do not, chosen by a seed.
//!
//! Must never make only good documents: about half of them hold something that has to be refused.

/// Chooses by a seed; zero always chooses the first.
pub struct Dice(pub u64);

impl Dice {
    pub fn of(&mut self, sides: u64) -> u64 {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % sides
    }

    fn one<'a>(&mut self, of: &[&'a str]) -> &'a str {
        of[self.of(of.len() as u64) as usize]
    }

    /// Fields in any order, with what else may stand in an object, and blanks.
    fn object(&mut self, mut fields: Vec<String>) -> String {
        if self.of(4) == 0 {
            let unknown = self.one(&[
                r#""x":{"a":[1,-2.5e3,{"b":[]},null],"c":"\u00e9\"\\"}"#,
                r#""comment":"caf\u00e9 é \ud83d\ude00""#,
                r#""x":[[],{},[{}],0,-0,1E+2,true,false]"#,
                r#""x":1,"x":2"#,
            ]);
            fields.push(unknown.to_owned());
        }
        let by = self.of(fields.len().max(1) as u64) as usize;
        fields.rotate_left(by);
        let comma = self.one(&[",", ",", " ,\n ", ",\r\n\t"]);
        format!("{{{}}}", fields.join(comma))
    }

    fn field(&mut self, name: &str, value: &str) -> String {
        // A name spelled with an escape is the same name.
        let name = match self.of(12) {
            0 => format!("\\u{:04x}{}", u32::from(name.as_bytes()[0]), &name[1..]),
            _ => name.to_owned(),
        };
        let colon = self.one(&[":", ":", " : ", ":\n"]);
        format!("\"{name}\"{colon}{value}")
    }

    fn number(&mut self) -> String {
        let value = self.of(20).to_string();
        match self.of(40) {
            0..10 => value,
            10 => format!("\"00{value}\""),
            11 => self
                .one(&[
                    "\"\"",
                    "null",
                    "1.0",
                    "-1",
                    "9007199254740992",
                    "\"9007199254740991\"",
                    "\"1e3\"",
                    "{}",
                ])
                .to_owned(),
            _ => format!("\"{value}\""),
        }
    }

    fn root(&mut self) -> String {
        let digits = format!("{:02x}", self.of(3)).repeat(32);
        match self.of(30) {
            0 => "null".to_owned(),
            1 => "\"\"".to_owned(),
            2 => format!("\"{digits}\""),
            3 => format!("\"0X{}\"", digits.to_uppercase()),
            4 => format!("\"0x{}\"", &digits[2..]),
            5 => format!("\"\\u0030x{digits}\""),
            _ => format!("\"0x{digits}\""),
        }
    }

    fn message(&mut self, numbers: &[&str]) -> String {
        let mut fields = Vec::new();
        for name in numbers {
            let value = self.number();
            fields.push(self.field(name, &value));
        }
        if self.of(3) > 0 {
            let root = self.root();
            fields.push(self.field("signing_root", &root));
        }
        if self.of(60) == 0 {
            fields.push(fields[0].clone());
        }
        self.object(fields)
    }

    fn messages(&mut self, numbers: &[&str]) -> String {
        if self.of(20) == 0 {
            return "null".to_owned();
        }
        let messages: Vec<_> = (0..self.of(4)).map(|_| self.message(numbers)).collect();
        format!("[{}]", messages.join(","))
    }

    fn entry(&mut self) -> String {
        let key = ["\"0xAb01\"", "\"ab01\"", "\"0xcd\"", "\"0xcd0\"", "7"]
            [[0, 1, 2, 2, 2, 0, 0, 1, 2, 3, 4, 0, 1, 2, 0, 1][self.of(16) as usize]];
        let mut fields = vec![self.field("pubkey", key)];
        if self.of(8) > 0 {
            let blocks = self.messages(&["slot"]);
            fields.push(self.field("signed_blocks", &blocks));
        }
        if self.of(8) > 0 {
            let votes = self.messages(&["source_epoch", "target_epoch"]);
            fields.push(self.field("signed_attestations", &votes));
        }
        self.object(fields)
    }

    pub fn document(&mut self) -> String {
        let version = self.one(&["\"5\"", "\"5\"", "\"5\"", "5", "\"4\"", "null", "\"\\u0035\""]);
        let mut metadata = vec![self.field("interchange_format_version", version)];
        if self.of(2) == 0 {
            metadata.push(self.field("interchange_format", "\"complete\""));
        }
        if self.of(4) > 0 {
            let chain = self.root();
            metadata.push(self.field("genesis_validators_root", &chain));
        }
        let metadata = self.object(metadata);
        let entries: Vec<_> = (0..self.of(4)).map(|_| self.entry()).collect();
        let data = format!("[{}]", entries.join(self.one(&[",", "\n,"])));
        let fields = vec![self.field("metadata", &metadata), self.field("data", &data)];
        let blank = self.one(&["", "", "\n ", " "]);
        format!("{blank}{}{blank}", self.object(fields))
    }
}
