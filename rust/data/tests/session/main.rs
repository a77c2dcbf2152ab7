//! Sessions with real processes, killed and stopped for real. This program is its own worker and its own trainer.
// A failed unwrap is a failed test; without libtest's harness clippy does not know that these are tests.
#![allow(clippy::unwrap_used, clippy::panic)]
mod cases;
mod measure;
mod soak;
mod stalls;
mod trainer;
mod worker;

fn main() {
    match std::env::var("RUSTORCH_TEST_ROLE").as_deref() {
        Ok("worker") => return worker::main(),
        Ok("soak") => return soak::trainer(),
        Ok("trainer") => return cases::trainer_to_be_killed(),
        _ => {}
    }
    let tests: &[(&str, fn())] = &[
        ("batches_arrive_once_in_order_in_rings_that_grow", cases::batches_arrive_once_in_order_in_rings_that_grow),
        ("a_client_hears_of_a_larger_ring", cases::a_client_hears_of_a_larger_ring),
        ("batches_come_as_tasks_are_pushed", cases::batches_come_as_tasks_are_pushed),
        ("errors_come_in_their_batchs_place", cases::errors_come_in_their_batchs_place),
        ("a_deadly_sample_is_named_with_the_last_words", cases::a_deadly_sample_is_named_with_the_last_words),
        ("a_deadly_sample_can_be_skipped", cases::a_deadly_sample_can_be_skipped),
        ("workers_that_never_work_end_the_session", cases::workers_that_never_work_end_the_session),
        ("a_program_that_is_not_there_is_named", cases::a_program_that_is_not_there_is_named),
        (
            "a_program_that_ends_while_it_loads_is_named_with_its_last_words",
            cases::a_program_that_ends_while_it_loads_is_named_with_its_last_words,
        ),
        ("streams_are_replayed_after_a_kill", cases::streams_are_replayed_after_a_kill),
        ("a_program_is_loaded_once_for_all_sessions", cases::a_program_is_loaded_once_for_all_sessions),
        ("workers_begin_where_their_trainer_is", cases::workers_begin_where_their_trainer_is),
        ("deaths_of_workers_cost_a_fork", cases::deaths_of_workers_cost_a_fork),
        ("the_fork_server_has_a_double", cases::the_fork_server_has_a_double),
        ("a_fork_server_may_be_killed_many_times_while_it_loads", cases::a_fork_server_may_be_killed_many_times_while_it_loads),
        ("a_session_that_ends_at_once_leaves_nothing", cases::a_session_that_ends_at_once_leaves_nothing),
        ("a_program_with_threads_is_not_forked", cases::a_program_with_threads_is_not_forked),
        ("nothing_is_left_behind", cases::nothing_is_left_behind),
        ("workers_die_with_their_trainer", cases::workers_die_with_their_trainer),
        ("restarts_take_milliseconds", measure::restarts_take_milliseconds),
        ("starts_do_not_grow_with_the_trainer", measure::starts_do_not_grow_with_the_trainer),
        ("kills_and_stops_lose_and_repeat_nothing", soak::kills_and_stops_lose_and_repeat_nothing),
    ];
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let filters: Vec<&String> = arguments.iter().filter(|argument| !argument.starts_with('-')).collect();
    let chosen = tests.iter().filter(|(name, _)| filters.is_empty() || filters.iter().any(|filter| name.contains(filter.as_str())));
    if arguments.iter().any(|argument| argument == "--list") {
        return chosen.for_each(|(name, _)| println!("{name}: test"));
    }
    for (name, test) in chosen {
        let begin = std::time::Instant::now();
        // a failed test panics and so ends the program with an error
        test();
        println!("test {name} ... ok ({:.1} s)", begin.elapsed().as_secs_f64());
    }
}
