//! What a sample holds, in words.
use crate::source::Source;

/// `image uint8 3x32x32, label int64`.
pub fn words(source: &dyn Source) -> String {
    let field = |field: &crate::source::Field| {
        let shape = field.shape.iter().map(usize::to_string).collect::<Vec<_>>().join("x");
        let text = format!("{} {} {shape}", field.name, field.dtype.name());
        text.trim_end().to_owned()
    };
    source.fields().iter().map(field).collect::<Vec<_>>().join(", ")
}
