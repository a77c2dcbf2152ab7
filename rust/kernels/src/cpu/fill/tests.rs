use super::*;
use crate::cpu::sample::{Random, Sample};

#[test]
fn fills_any_layout_and_dtype() {
    let mut random = Random(4);
    for &dtype in DType::ALL {
        let shape = random.shape(9);
        let dst = Sample::scattered(&mut random, &shape, dtype);
        fill(&shape, dst.operand(), Number::Int(1)).unwrap();
        assert!(dst.values().iter().all(|&x| x == 1.0), "{dtype:?}");
        fill(&shape, dst.operand(), Number::Bool(false)).unwrap();
        assert!(dst.values().iter().all(|&x| x == 0.0), "{dtype:?}");
    }
}

// What PyTorch 2.13 answers to `torch.zeros(1, dtype=dtype).fill_(value)`.
#[test]
fn numbers_that_do_not_fit_are_refused() {
    let message = |value, dtype| element(value, dtype).err().map(|e| e.message);
    let refused = |name: &str| Some(format!("value cannot be converted to type {name} without overflow"));
    assert_eq!(message(Number::Int(300), DType::UInt8), refused("uint8_t"));
    assert_eq!(message(Number::Int(-300), DType::UInt8), refused("uint8_t"));
    assert_eq!(message(Number::Int(-1), DType::UInt8), None);
    assert_eq!(message(Number::Float(-1.5), DType::UInt8), refused("uint8_t"));
    assert_eq!(message(Number::Float(127.9), DType::Int8), refused("int8_t"));
    assert_eq!(message(Number::Float(f64::NAN), DType::Int32), refused("int"));
    assert_eq!(message(Number::Float(1e39), DType::Float32), refused("float"));
    assert_eq!(message(Number::Float(f64::INFINITY), DType::Float32), None);
    assert_eq!(message(Number::Float(1e39), DType::BFloat16), None);
    assert_eq!(message(Number::Complex(1.0, 2.0), DType::Float16), refused("double"));
    assert_eq!(message(Number::Complex(1.0, 2.0), DType::Bool), None);
    assert_eq!(message(Number::Int(1 << 40), DType::UInt64), None);
}

#[test]
fn ranges() {
    let made = |dtype, n, make: &dyn Fn(Operand)| {
        let dst = Sample::zeros(&[n], dtype);
        make(dst.operand());
        dst.values()
    };
    assert_eq!(made(DType::Int64, 4, &|d| arange(4, d, Number::Int(3), Number::Int(-2))), [3.0, 1.0, -1.0, -3.0]);
    assert_eq!(made(DType::Float32, 3, &|d| arange(3, d, Number::Int(1), Number::Float(0.5))), [1.0, 1.5, 2.0]);
    assert_eq!(made(DType::Int64, 3, &|d| arange(3, d, Number::Float(0.5), Number::Float(1.0))), [0.0, 1.0, 2.0]);
    assert_eq!(made(DType::Int64, 7, &|d| linspace(7, d, -3.7, 10.2)), [-3.0, 0.0, 1.0, 3.0, 5.0, 7.0, 10.0]);
    assert_eq!(made(DType::Float64, 1, &|d| linspace(1, d, 2.0, 9.0)), [2.0]);
    assert_eq!(made(DType::Int64, 4, &|d| logspace(4, d, 0.0, 3.0, 2.0)), [1.0, 2.0, 4.0, 8.0]);
}

#[test]
fn the_identity() {
    let dst = Sample::random(&mut Random(5), &[2, 3], DType::BFloat16);
    eye(2, 3, dst.operand());
    assert_eq!(dst.values(), [1.0, 0.0, 0.0, 0.0, 1.0, 0.0]);
}
