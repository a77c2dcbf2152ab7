//! The header of an npy file: a Python dictionary of three known keys. Read without recursion, and nothing else is
//! accepted, so that no header can cost more than its length.
use rustorch_base::DType;

/// What numpy's other element types begin with: bytes, text, dates, times, objects, raw memory, long doubles.
const FOREIGN_KINDS: [&str; 9] = ["S", "a", "U", "M8", "m8", "O", "V", "f", "c"];
/// Most dimensions of an array; numpy's own limit.
const MOST_DIMENSIONS: usize = 64;

#[derive(Debug, PartialEq)]
pub struct Header {
    pub dtype: DType,
    /// Elements are in the byte order that this machine does not have.
    pub foreign_order: bool,
    pub fortran_order: bool,
    pub shape: Vec<usize>,
}

#[derive(Debug, PartialEq)]
pub enum Refusal {
    /// Where in the header, and why.
    Damaged(usize, String),
    /// NumPy reads it; we do not.
    Unsupported(String),
}

pub fn parse(text: &[u8]) -> Result<Header, Refusal> {
    let mut reader = Reader { text, at: 0 };
    let (mut descr, mut fortran_order, mut shape) = (None, None, None);
    reader.expect(b'{')?;
    while !reader.take(b'}') {
        let key = reader.string()?;
        reader.expect(b':')?;
        match key {
            "descr" => descr = Some(element_type(&mut reader)?),
            "fortran_order" => fortran_order = Some(reader.truth()?),
            "shape" => shape = Some(reader.shape()?),
            other => return Err(reader.refuse(format!("its header has an unknown key {other:?}"))),
        }
        if !reader.take(b',') {
            reader.expect(b'}')?;
            break;
        }
    }
    let missing = |key: &str| Refusal::Damaged(text.len(), format!("its header lacks {key:?}"));
    let (dtype, foreign_order) = descr.ok_or_else(|| missing("descr"))?;
    let fortran_order = fortran_order.ok_or_else(|| missing("fortran_order"))?;
    Ok(Header { dtype, foreign_order, fortran_order, shape: shape.ok_or_else(|| missing("shape"))? })
}

/// `'<f4'` and its kin: byte order, kind, bytes.
fn element_type(reader: &mut Reader) -> Result<(DType, bool), Refusal> {
    use DType::*;
    if reader.take(b'[') {
        return Err(Refusal::Unsupported("structured elements are not read; save each field as an array of its own".to_owned()));
    }
    let descr = reader.string()?;
    let (order, name) = descr.split_at_checked(1).unwrap_or(("", descr));
    let dtype = match name {
        "b1" => Bool,
        "u1" => UInt8,
        "u2" => UInt16,
        "u4" => UInt32,
        "u8" => UInt64,
        "i1" => Int8,
        "i2" => Int16,
        "i4" => Int32,
        "i8" => Int64,
        "f2" => Float16,
        "f4" => Float32,
        "f8" => Float64,
        "c8" => Complex64,
        "c16" => Complex128,
        _ if FOREIGN_KINDS.iter().any(|kind| name.starts_with(kind)) => {
            return Err(Refusal::Unsupported(format!("elements of type {descr:?} are not read")));
        }
        _ => return Err(reader.refuse(format!("its elements of type {descr:?} are not known"))),
    };
    let native = if cfg!(target_endian = "little") { "<" } else { ">" };
    match order {
        "<" | ">" => Ok((dtype, order != native)),
        "|" | "=" => Ok((dtype, false)),
        _ => Err(reader.refuse(format!("its byte order {order:?} is not known"))),
    }
}

struct Reader<'a> {
    text: &'a [u8],
    at: usize,
}

impl<'a> Reader<'a> {
    fn refuse(&self, reason: String) -> Refusal {
        Refusal::Damaged(self.at, reason)
    }
    fn skip_space(&mut self) {
        while self.text.get(self.at).is_some_and(|byte| byte.is_ascii_whitespace()) {
            self.at += 1;
        }
    }
    fn take(&mut self, byte: u8) -> bool {
        self.skip_space();
        let found = self.text.get(self.at) == Some(&byte);
        self.at += usize::from(found);
        found
    }
    fn expect(&mut self, byte: u8) -> Result<(), Refusal> {
        if self.take(byte) { Ok(()) } else { Err(self.refuse(format!("its header lacks a '{}' here", byte as char))) }
    }
    fn string(&mut self) -> Result<&'a str, Refusal> {
        let quote = if self.take(b'"') {
            b'"'
        } else {
            self.expect(b'\'')?;
            b'\''
        };
        let rest = &self.text[self.at..];
        let end = rest.iter().position(|&byte| byte == quote).ok_or_else(|| self.refuse("a string does not end".to_owned()))?;
        let string = std::str::from_utf8(&rest[..end]).map_err(|_| self.refuse("a string is not text".to_owned()))?;
        self.at += end + 1;
        Ok(string)
    }
    fn truth(&mut self) -> Result<bool, Refusal> {
        self.skip_space();
        for (word, value) in [("True", true), ("False", false)] {
            if self.text[self.at..].starts_with(word.as_bytes()) {
                self.at += word.len();
                return Ok(value);
            }
        }
        Err(self.refuse("fortran_order is neither True nor False".to_owned()))
    }
    fn shape(&mut self) -> Result<Vec<usize>, Refusal> {
        self.expect(b'(')?;
        let mut shape = Vec::new();
        while !self.take(b')') {
            if shape.len() == MOST_DIMENSIONS {
                return Err(self.refuse(format!("its shape has more than {MOST_DIMENSIONS} dimensions")));
            }
            shape.push(self.number()?);
            if !self.take(b',') {
                self.expect(b')')?;
                break;
            }
        }
        Ok(shape)
    }
    fn number(&mut self) -> Result<usize, Refusal> {
        self.skip_space();
        let digits = self.text[self.at..].iter().take_while(|byte| byte.is_ascii_digit()).count();
        let text = std::str::from_utf8(&self.text[self.at..self.at + digits]).unwrap_or("");
        let number = text.parse().map_err(|_| self.refuse("its shape holds something that is no size".to_owned()))?;
        self.at += digits;
        // Python 2 wrote sizes as `3L`
        self.at += usize::from(self.text.get(self.at) == Some(&b'L'));
        Ok(number)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_numpy_writes_is_read() {
        let header = parse(b"{'descr': '<f4', 'fortran_order': False, 'shape': (3, 4), }          \n").unwrap();
        assert_eq!(header, Header { dtype: DType::Float32, foreign_order: false, fortran_order: false, shape: vec![3, 4] });
        let header = parse(b"{\"shape\": (5L,), \"descr\": \">i8\", \"fortran_order\": True}").unwrap();
        assert_eq!(header, Header { dtype: DType::Int64, foreign_order: true, fortran_order: true, shape: vec![5] });
        assert!(parse(b"{'descr': '|b1', 'fortran_order': False, 'shape': ()}").unwrap().shape.is_empty());
    }

    #[test]
    fn sound_headers_of_other_elements_are_no_damage() {
        for (text, words) in [
            (&b"{'descr': '|O', 'fortran_order': False, 'shape': (1,)}"[..], "elements of type \"|O\" are not read"),
            (b"{'descr': '<M8[ns]', 'fortran_order': False, 'shape': (1,)}", "elements of type \"<M8[ns]\" are not read"),
            (b"{'descr': '<f16', 'fortran_order': False, 'shape': (1,)}", "elements of type \"<f16\" are not read"),
            (b"{'descr': [('a', '<f4'), ('b', '<i8')], 'fortran_order': False, 'shape': (3,)}", "structured elements are not read"),
        ] {
            assert!(matches!(parse(text), Err(Refusal::Unsupported(reason)) if reason.starts_with(words)), "{words}");
        }
    }

    #[test]
    fn anything_else_is_refused_where_it_stands() {
        for (text, at, word) in [
            (&b"['descr']"[..], 0, "'{'"),
            (b"{'descr': '<x4', 'fortran_order': False, 'shape': (1,)}", 15, "<x4"),
            (b"{'descr': 4, 'shape': (1,)}", 10, "lacks"),
            (b"{'descr': '<f4', 'shape': (1,)}", 31, "fortran_order"),
            (b"{'descr': '<f4', 'fortran_order': False, 'shape': (-1,)}", 51, "no size"),
            (b"{'descr': '<f4', 'fortran_order': False, 'shape': (99999999999999999999,)}", 51, "no size"),
            (b"{'descr': '<f4', 'fortran_order': Maybe}", 34, "neither"),
            (b"{'descr': '<f4", 11, "does not end"),
            (b"", 0, "'{'"),
        ] {
            let Err(Refusal::Damaged(position, reason)) = parse(text) else { panic!("{:?} is damaged", std::str::from_utf8(text)) };
            assert!(position == at && reason.contains(word), "{:?}: {position} {reason}", std::str::from_utf8(text));
        }
    }
}
