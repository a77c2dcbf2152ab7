//! The system calls under the ring and its protocol, each a small checked function. Linux only. They answer with
//! `std::io::Result`: only a caller knows what a failure means to its user.
pub mod event;
pub mod fork;
pub mod futex;
pub mod heap;
pub mod mapping;
pub mod memory_file;
pub mod packet;
pub mod poll;
pub mod process;
pub mod signals;
pub mod socket;
