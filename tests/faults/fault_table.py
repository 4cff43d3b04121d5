"""The planted faults: what is planted where, what the user is told, what must hold, which test."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Where = Literal["data", "model", "run", "server", "record, statistics, board"]
Holds = Literal[
    "the scores are those without the fault",
    "the cells are marked and the samples named",
    "no score: refused with the reason",
]
SAME: Holds = "the scores are those without the fault"
MARKED: Holds = "the cells are marked and the samples named"
REFUSED: Holds = "no score: refused with the reason"


@dataclass(frozen=True)
class Fault:
    """One fault, and the test that plants it."""

    where: Where
    planted: str
    told: str
    """What the user reads, or that nothing needs saying."""
    holds: Holds
    test: str
    """Its node id, from `tests/` on; without parameters, all of them."""
    slow: bool = False
    """Whether it is left out of the default run."""


MODELS, RECORDS = "faults/test_model_faults.py::", "faults/test_record_faults.py::"
RUNS, WHOLE = "faults/test_killed_runs.py::", "faults/test_whole_runs.py::"
DISKS, REAL = "faults/test_disks.py::", "faults/test_real_runs.py::"
DOWNLOAD, SOURCES, LOADERS = "test_download.py::", "test_sources.py::", "test_loaders.py::"
BASE, BOARD, INTERVALS = (
    "adapters/test_base.py::",
    "board/test_validate.py::",
    "statistics/test_statistics_intervals.py::",
)

SERVED = "servers/test_server_faults.py::"

DATA = (
    Fault(
        "data",
        "an image cut short, an empty and a missing one, in the middle of a whole run",
        "a warning per sample; `incomplete (3 of 4 failed)` in the table",
        MARKED,
        "test_end_to_end.py::test_a_broken_image_is_failed_and_named_and_the_rest_is_scored",
    ),
    Fault(
        "data",
        "an image that cannot be decoded, in a batch with others",
        "its sample by name, with the decoder's reason",
        MARKED,
        BASE + "test_an_image_that_cannot_be_read_fails_alone_and_is_not_wrong",
    ),
    Fault(
        "data",
        "a file changed, or deleted, after the fingerprint was taken",
        "`changed while the run was under way`, or the system's reason, by file",
        MARKED,
        RECORDS + "test_a_file_that_changes_under_a_run_fails_by_name",
    ),
    Fault(
        "data",
        "a file that appears after the fingerprint was taken",
        "`changed while the run was under way`, by file",
        MARKED,
        RECORDS + "test_a_file_that_appears_under_a_run_fails_too",
    ),
    Fault(
        "data",
        "two ranks of one run find other data",
        "`no one data set` in the table; no record: the line and both fingerprints",
        REFUSED,
        RECORDS + "test_two_ranks_that_read_other_data_make_no_record",
    ),
    Fault(
        "data",
        "labels.csv in another order",
        "nothing: samples are ordered by the digest of their id",
        SAME,
        SOURCES + "test_row_order_changes_neither_samples_nor_fingerprint",
    ),
    Fault(
        "data",
        "an archive's members in another order",
        "nothing",
        SAME,
        SOURCES + "test_member_order_changes_neither_samples_nor_fingerprint",
    ),
    Fault(
        "data",
        "labels, splits or pixels changed between two runs",
        "another fingerprint; the two records are not compared",
        REFUSED,
        SOURCES + "test_the_fingerprint_follows_labels_splits_and_image_contents",
    ),
    Fault(
        "data",
        "a truncated npz",
        "one error that names the file",
        REFUSED,
        SOURCES + "test_a_truncated_npz_is_refused",
    ),
    Fault(
        "data",
        "an npz damaged inside a member",
        "one error when the damage is read",
        REFUSED,
        SOURCES + "test_a_damaged_npz_is_refused_when_the_damage_is_read",
    ),
    Fault(
        "data",
        "a zip cut short, or of another size",
        "one error that names the file and both sizes",
        REFUSED,
        SOURCES + "test_a_zip_of_another_size_or_cut_short_is_refused",
    ),
    Fault(
        "data",
        "a tar cut short",
        "one error that names the file",
        REFUSED,
        LOADERS + "test_a_tar_cut_short_is_refused",
    ),
    Fault(
        "data",
        "a file brought by hand with a wrong checksum",
        "the checksum found and the one needed",
        REFUSED,
        LOADERS + "test_a_file_by_hand_with_a_wrong_checksum_is_refused",
    ),
    Fault(
        "data",
        "a download with a wrong checksum",
        "the checksum found and the one needed; the file is deleted",
        REFUSED,
        DOWNLOAD + "test_a_wrong_md5_leaves_nothing_behind",
    ),
    Fault(
        "data",
        "a download cut at 10, 50 and 99 %",
        "nothing: it goes on where it stopped",
        SAME,
        DOWNLOAD + "test_a_cut_connection_is_continued_where_it_stopped",
    ),
    Fault(
        "data",
        "a download cut five times",
        "`gave up after 5 attempts`, what is kept, and to run again",
        REFUSED,
        DOWNLOAD + "test_after_five_cuts_it_gives_up_and_the_next_run_continues",
    ),
    Fault(
        "data",
        "a server that answers 429, 500 or 503 once",
        "nothing: it is asked again when it says",
        SAME,
        DOWNLOAD + "test_a_busy_server_is_asked_again_when_it_says",
    ),
    Fault(
        "data",
        "a server that answers 500 for ever",
        "`gave up after 5 attempts`, with the answer",
        REFUSED,
        DOWNLOAD + "test_a_server_that_stays_busy_is_asked_five_times",
    ),
    Fault(
        "data",
        "a server that sends a web page in place of the file",
        "`a web page in place of the file`; nothing is kept",
        REFUSED,
        DOWNLOAD + "test_a_web_page_in_place_of_the_file_is_refused",
    ),
    Fault(
        "data",
        "a server that never answers",
        "nothing at first: it is given up on and asked again",
        SAME,
        DOWNLOAD + "test_a_silent_server_is_given_up_on_and_asked_again",
    ),
    Fault(
        "data",
        "two processes that download one file",
        "nothing: one downloads, the others wait",
        SAME,
        DOWNLOAD + "test_two_at_once_download_it_once",
    ),
    Fault(
        "data",
        "an image changed or deleted between the reads of two real ranks",
        "`changed while the run was under way`, or the system's reason, by sample",
        MARKED,
        REAL + "test_an_image_that_changes_between_two_ranks_fails_on_the_second_alone",
        slow=True,
    ),
    Fault(
        "data",
        "a truncated parquet table of the hub's",
        "the table, and whether the file is whole",
        REFUSED,
        LOADERS + "test_a_truncated_hub_table_is_refused",
    ),
)

MODEL = (
    Fault(
        "model",
        "out of memory at one resolution only",
        "its samples by name; the cell is incomplete",
        MARKED,
        MODELS + "test_out_of_memory_at_one_resolution_costs_its_samples_alone",
    ),
    Fault(
        "model",
        "out of memory at one resolution, in a whole run of a Hugging Face model",
        "`incomplete (1 of 2 failed)` in the table",
        MARKED,
        "adapters/test_reshf.py::"
        "test_out_of_memory_fails_its_sample_and_leaves_the_other_resolutions",
    ),
    Fault(
        "model",
        "out of memory hidden by a wrapped model of lmms-eval's",
        "`incomplete (1 of 2 failed)` in the table, with the error that was hidden",
        MARKED,
        "adapters/test_reswrap.py::"
        "test_out_of_memory_at_the_largest_r_leaves_the_others_through_a_whole_run",
    ),
    Fault(
        "model",
        "out of memory of a batch, not of its samples",
        "nothing: the batch is halved",
        SAME,
        MODELS + "test_out_of_memory_of_a_batch_alone_changes_nothing",
    ),
    Fault(
        "model",
        "scores of the choices that are NaN",
        "`the choices' scores are not finite`, by sample",
        MARKED,
        BASE + "test_scores_that_are_not_numbers_fail",
    ),
    Fault(
        "model",
        "NaN or infinite logits while a text is written",
        "`the model's logits are not finite`, and to try another dtype",
        MARKED,
        MODELS + "test_logits_that_are_no_numbers_are_no_text",
    ),
    Fault(
        "model",
        "NaN logits inside a wrapped model of lmms-eval's",
        "`the model's logits are not finite`",
        MARKED,
        MODELS + "test_a_wrapped_bases_logits_are_watched_and_let_go",
    ),
    Fault(
        "model",
        "an empty output that the model really wrote",
        "counted as unparseable, as any text without a choice",
        SAME,
        MODELS + "test_an_empty_text_that_was_written_is_unparseable_and_wrong",
    ),
    Fault(
        "model",
        "an empty output of a model that hides its errors",
        "`the model's answer is empty`, by sample",
        MARKED,
        BASE + "test_a_strangers_empty_answer_is_failed",
    ),
    Fault(
        "model",
        "an output of 10,000 words before its answer",
        "nothing: it is read and kept whole",
        SAME,
        MODELS + "test_ten_thousand_words_are_kept_whole_and_parsed_as_few_are",
    ),
    Fault(
        "model",
        "a processor whose default changed, its answers cached",
        "`other weights, processor, arguments ...; delete the response cache`",
        MARKED,
        MODELS + "test_a_processor_whose_default_changed_is_not_served_the_old_answers",
    ),
    Fault(
        "model",
        "a processor that enlarges small images by itself",
        "`mismatched`: the grid asked for and the grid that entered",
        MARKED,
        "families/test_families.py::test_a_processor_that_enlarges_by_itself_is_seen",
    ),
    Fault(
        "model",
        "weights whose name stays and whose bytes change",
        "another revision in the record",
        SAME,
        MODELS + "test_a_folders_revision_follows_its_bytes_and_not_its_name",
    ),
    Fault(
        "model",
        "new weights in the folder of a finished job of `sweep`",
        "nothing: the job is run again",
        SAME,
        RECORDS + "test_new_weights_under_the_same_name_are_run_again",
    ),
    Fault(
        "model",
        "two ranks with other checkpoints",
        "`one run is one of each`, by process",
        REFUSED,
        "test_record_facts.py::test_processes_that_had_other_checkpoints_are_refused",
    ),
    Fault(
        "model",
        "an adapter that raises while it loads",
        "its error; nothing is written",
        REFUSED,
        MODELS + "test_an_adapter_that_raises_while_loading_leaves_no_score",
    ),
    Fault(
        "model",
        "an adapter that raises on its first, or on its last batch",
        "its error, by sample",
        MARKED,
        MODELS + "test_an_adapter_that_raises_on_one_batch_loses_that_sample",
    ),
    Fault(
        "model",
        "truncated weights",
        "one error that names the file",
        REFUSED,
        "test_flamingo_loading.py::TestFolder::test_truncated_weights_are_refused",
    ),
    Fault(
        "model",
        "a checkpoint that is a pickle with code in it",
        "refused, and the code is not run",
        REFUSED,
        "test_flamingo_loading.py::TestCheckpointFile::test_pickled_code_is_refused_and_not_run",
    ),
    Fault(
        "model",
        "weights of a Hugging Face folder cut at 0, 50 and 99 %",
        "one error that names the folder",
        REFUSED,
        "adapters/test_reshf_loading.py::test_weights_that_are_cut_short_are_one_error",
    ),
    Fault(
        "model",
        "a Hugging Face folder whose weights are a pickle with code in it",
        "`code in a checkpoint is not run`, and to get safetensors",
        REFUSED,
        "adapters/test_reshf_loading.py::"
        "test_pickled_code_in_a_hugging_face_folder_is_refused_and_not_run",
    ),
    Fault(
        "model",
        "a server that refuses one request",
        "its sample by name, with the server's words",
        MARKED,
        "adapters/test_reswrap.py::test_a_request_that_the_server_refuses_fails_its_samples_alone",
    ),
    Fault(
        "model",
        "memory that PyTorch really refuses, at one resolution of a whole run",
        "`DefaultCPUAllocator: can't allocate memory`, by sample; the cell is incomplete",
        MARKED,
        WHOLE + "test_memory_that_is_really_refused_at_one_resolution_costs_its_samples_alone",
        slow=True,
    ),
    Fault(
        "model",
        "an adapter that raises while it loads, through the command line",
        "its error, and status 1 of `resolution-eval run`; nothing is written",
        REFUSED,
        WHOLE + "test_an_adapter_that_raises_while_loading_leaves_nothing",
        slow=True,
    ),
    Fault(
        "model",
        "an adapter that raises on its first, or on its last batch, through the command line",
        "its error, by sample; the cells are incomplete",
        MARKED,
        WHOLE + "test_an_adapter_that_raises_on_its_first_or_last_batch_loses_that_batch",
        slow=True,
    ),
    Fault(
        "model",
        "the processor, or the weights, of a Hugging Face folder changed between two runs",
        "another revision; `stale`, by sample, and to delete the cache",
        MARKED,
        WHOLE
        + "test_what_changed_under_the_same_name_is_another_revision_and_serves_no_old_answer",
        slow=True,
    ),
    Fault(
        "model",
        "NaN or infinite logits of a Hugging Face model, ranked and generated",
        "`not finite`, by sample",
        MARKED,
        WHOLE + "test_logits_that_are_no_numbers_are_no_answer_of_a_hugging_face_model",
        slow=True,
    ),
    Fault(
        "model",
        "an output of 10,000 tokens that a model really writes",
        "nothing: it is counted and kept whole",
        SAME,
        WHOLE + "test_ten_thousand_tokens_are_written_counted_and_kept",
        slow=True,
    ),
)

RUN = (
    Fault(
        "run",
        "SIGKILL of a whole sweep at five points, each resumed",
        "nothing: what is unfinished is run again",
        SAME,
        RUNS + "test_a_sweep_killed_at_five_points_and_resumed_gives_the_same_record",
        slow=True,
    ),
    Fault(
        "run",
        "SIGKILL of one of two ranks",
        "the launcher's error; no results are written, and the next run is whole",
        REFUSED,
        RUNS + "test_a_killed_rank_leaves_no_results",
        slow=True,
    ),
    Fault(
        "run",
        "SIGKILL of a job half way, twelve jobs on three executors",
        "`finished at the second try`",
        SAME,
        "jobs/test_jobs.py::test_twelve_real_jobs_end_alike_though_one_is_killed_half_way",
        slow=True,
    ),
    Fault(
        "run",
        "a job killed after its samples and before its results",
        "`finished at the second try`",
        SAME,
        "jobs/test_jobs.py::test_a_job_that_fails_once_is_finished_at_the_second_try",
    ),
    Fault(
        "run",
        "Ctrl-C during a sweep",
        "`stopped`, status 130, no traceback",
        SAME,
        RECORDS + "test_an_interrupt_of_a_sweep_is_said_and_the_next_one_finishes",
    ),
    Fault(
        "run",
        "Ctrl-C while a batch is answered",
        "the run ends; no sample is called failed",
        REFUSED,
        MODELS + "test_an_interrupt_is_not_a_failed_sample",
    ),
    Fault(
        "run",
        "a disk that is full while a record is written",
        "the system's reason and what to do; the old record is whole",
        REFUSED,
        RECORDS + "test_a_full_disk_leaves_the_old_record_whole_and_is_said",
    ),
    Fault(
        "run",
        "an output folder that is full, read-only or another's",
        "the system's reason and what to do; nothing is left behind",
        REFUSED,
        RECORDS + "test_a_disk_that_refuses_is_one_sentence_and_leaves_nothing",
    ),
    Fault(
        "run",
        "a disk too small for a download",
        "the bytes needed and the bytes free, before it begins",
        REFUSED,
        DOWNLOAD + "test_a_full_disk_is_noticed_before_the_start",
    ),
    Fault(
        "run",
        "two runs into one folder",
        "nothing: two records",
        SAME,
        RECORDS + "test_two_runs_in_one_folder_are_two_records",
    ),
    Fault(
        "run",
        "two runs of one second into one folder, or a clock that repeats a second",
        "`already on line 1`, by sample",
        REFUSED,
        RECORDS + "test_two_runs_of_one_second_in_one_folder_make_no_record",
    ),
    Fault(
        "run",
        "two sweeps of one plan at once",
        "`another process is running it`",
        SAME,
        "jobs/test_jobs.py::test_two_sweeps_of_one_plan_do_not_run_a_job_at_once",
    ),
    Fault(
        "run",
        "a clock that jumps back",
        "nothing: times are those of the monotonic clock",
        SAME,
        RECORDS + "test_a_clock_that_jumps_back_makes_no_negative_time",
    ),
    Fault(
        "run",
        "a response cache filled at another resolution",
        "`stale`, by sample, and to delete the cache",
        MARKED,
        MODELS + "test_a_cache_filled_at_another_resolution_is_not_believed",
    ),
    Fault(
        "run",
        "a response cache filled for another filter, scheme, data or order of options",
        "`stale`, by sample, and to delete the cache",
        MARKED,
        MODELS + "test_a_cache_filled_for_another_document_is_not_believed",
    ),
    Fault(
        "run",
        "a response cache filled by other weights, filter or scheme of the same name",
        "`stale`, by sample, and to delete the cache",
        MARKED,
        MODELS + "test_a_cache_filled_under_the_same_name_by_another_is_not_believed",
    ),
    Fault(
        "run",
        "a response cache filled under other versions of packages",
        "`stale`, by sample, and to delete the cache",
        MARKED,
        MODELS + "test_a_package_that_was_upgraded_is_not_served_the_old_answers",
    ),
    Fault(
        "run",
        "a corrupted response cache",
        "`unreadable`, by sample, and to delete the cache",
        MARKED,
        MODELS + "test_a_corrupted_cache_loses_its_sample_and_no_other",
    ),
    Fault(
        "run",
        "a warm response cache, and nothing else",
        "nothing",
        SAME,
        MODELS + "test_a_warm_cache_gives_the_cold_answers",
    ),
    Fault(
        "run",
        "an output folder on a file system that is full, or mounted read-only",
        "one sentence: the system's reason and what to do; nothing is left behind",
        REFUSED,
        DISKS + "test_a_file_system_that_is_full_or_read_only_is_one_sentence_and_leaves_nothing",
    ),
    Fault(
        "run",
        "an output folder that may not be written",
        "one sentence: the system's reason and what to do",
        REFUSED,
        DISKS + "test_a_folder_that_may_not_be_written_is_one_sentence",
    ),
    Fault(
        "run",
        "a file system that is full before lmms-eval has written its results",
        "lmms-eval's warning; `record` refuses what fitted, by line or number",
        REFUSED,
        REAL + "test_a_run_whose_output_does_not_fit_the_disk_makes_no_record",
        slow=True,
    ),
    Fault(
        "run",
        "two runs at once into one folder",
        "nothing: two records; or `already on line` where both end in one second",
        SAME,
        REAL + "test_two_runs_at_once_into_one_folder_are_two_records_or_none",
        slow=True,
    ),
    Fault(
        "run",
        "Ctrl-C while a whole run answers",
        "`stopped`, status 130; no results are written",
        REFUSED,
        REAL + "test_an_interrupt_of_a_run_is_said_and_leaves_no_score",
        slow=True,
    ),
    Fault(
        "run",
        "a clock that jumps an hour at every look, back or ahead, during a whole run",
        "nothing: the same record, times aside",
        SAME,
        WHOLE + "test_a_clock_that_jumps_changes_no_more_than_the_times",
        slow=True,
    ),
    Fault(
        "run",
        "two processes, batch 1, a cold and a warm cache in place of batch 8 in one process",
        "nothing: the same answers",
        SAME,
        "test_sameness.py::test_a_run_made_otherwise_is_the_same_run",
        slow=True,
    ),
)

RECORD = (
    Fault(
        "record, statistics, board",
        "a samples file cut in the middle of a line",
        "the line and column",
        REFUSED,
        RECORDS + "test_a_line_cut_in_its_middle_is_named",
    ),
    Fault(
        "record, statistics, board",
        "a samples file cut between two lines, the accuracy unchanged",
        "how many answers are counted and how many are there",
        REFUSED,
        RECORDS + "test_samples_cut_between_two_lines_are_refused_though_no_accuracy_tells",
    ),
    Fault(
        "record, statistics, board",
        "a record, or its answers, cut at any point",
        "`not JSON`, or `not the answers that` it was written with",
        REFUSED,
        RECORDS + "test_a_record_cut_anywhere_is_refused",
    ),
    Fault(
        "record, statistics, board",
        "an edited record",
        "`do not follow from its answers`",
        REFUSED,
        "test_records.py::test_a_record_that_was_edited_is_refused",
    ),
    Fault(
        "record, statistics, board",
        "an edited accuracy in lmms-eval's results",
        "the accuracy stated and the one that the samples give",
        REFUSED,
        "test_records.py::test_accuracies_that_are_not_those_of_the_samples_are_refused",
    ),
    Fault(
        "record, statistics, board",
        "a process that dies while a record is written",
        "its error; the old record is whole",
        SAME,
        "test_records.py::test_an_interrupted_write_leaves_the_old_record_whole",
    ),
    Fault(
        "record, statistics, board",
        "samples missing at one resolution only",
        "`missing` in the cell, which is incomplete",
        MARKED,
        RECORDS + "test_samples_missing_at_one_resolution_are_counted_and_the_cell_marked",
    ),
    Fault(
        "record, statistics, board",
        "every sample failed",
        "no accuracy; every sample and its reason",
        MARKED,
        RECORDS + "test_where_every_sample_failed_there_is_no_score_and_all_are_named",
    ),
    Fault(
        "record, statistics, board",
        "all answers equal, right or wrong",
        "an interval that leaves room for clusters unseen",
        SAME,
        INTERVALS + "test_equal_answers_leave_room_for_clusters_unseen",
    ),
    Fault(
        "record, statistics, board",
        "one sample, or one cluster",
        "an interval that says nothing: from 0 to 1",
        SAME,
        INTERVALS + "test_one_cluster_or_one_sample_says_nothing",
    ),
    Fault(
        "record, statistics, board",
        "ties between models",
        "both have the better rank",
        SAME,
        "statistics/test_statistics_hierarchy.py::"
        "test_equal_models_share_the_better_rank_and_one_model_is_first",
    ),
    Fault(
        "record, statistics, board",
        "a model whose training resolution is not in the sweep, or not known",
        "the figures at it are withheld, with the reason",
        MARKED,
        "test_report.py::test_figures_at_the_training_resolution_need_it_in_the_sweep",
    ),
    Fault(
        "record, statistics, board",
        "a record of a newer schema",
        "the version found, the version known, and to upgrade",
        REFUSED,
        RECORDS + "test_a_record_of_a_newer_schema_says_to_upgrade",
    ),
    Fault(
        "record, statistics, board",
        "a submission with any of the faults of its own table",
        "a message of its own for each",
        REFUSED,
        BOARD + "test_a_planted_fault_is_refused_by_its_own_message",
    ),
    Fault(
        "record, statistics, board",
        "a damaged submission beside a sound one",
        "the damaged one by name",
        SAME,
        "board/test_fuzz.py::test_damage_is_accepted_or_refused_and_hurts_no_other",
    ),
)

SERVERS = (
    Fault(
        "server",
        "a server that drops the image",
        "`0 image tokens were counted where 100 to 102 were due`, by sample",
        MARKED,
        SERVED + "test_an_image_that_is_dropped_is_a_failure",
    ),
    Fault(
        "server",
        "a relay that puts a text in the image's place",
        "the few tokens that were counted, and those that were due",
        MARKED,
        SERVED + "test_an_image_that_a_relay_replaces_by_a_text_is_a_failure",
    ),
    Fault(
        "server",
        "an image halved on its way, and billed so",
        "`mismatched`: the tokens that were counted, and those that were due",
        MARKED,
        SERVED + "test_an_image_halved_on_the_way_is_mismatched_with_both_figures",
    ),
    Fault(
        "server",
        "images capped at a megapixel, and billed so",
        "`mismatched` above it, `counted` below",
        MARKED,
        SERVED + "test_an_image_capped_at_a_megapixel_is_mismatched_above_and_counted_below",
    ),
    Fault(
        "server",
        "another model behind the name",
        "a failure by both names",
        MARKED,
        SERVED + "test_an_answer_of_another_model_is_a_failure_by_both_names",
    ),
    Fault(
        "server",
        "a usage that is absent",
        "`predicted`, not counted",
        MARKED,
        SERVED + "test_an_absent_usage_leaves_the_samples_predicted",
    ),
    Fault(
        "server",
        "a usage that is doubled",
        "`mismatched`, both figures",
        MARKED,
        SERVED + "test_a_doubled_usage_is_mismatched_however_it_is_counted",
    ),
    Fault(
        "server",
        "the usage of the request before",
        "`mismatched`, both figures, where sizes change",
        MARKED,
        SERVED + "test_the_usage_of_the_previous_request_is_mismatched_where_sizes_change",
    ),
    Fault(
        "server",
        "a storm of status 429 with Retry-After",
        "nothing but the number of attempts",
        SAME,
        SERVED + "test_a_storm_of_429_is_waited_out_and_every_attempt_is_counted",
    ),
    Fault(
        "server",
        "a server that answers 429 for ever",
        "`rate limited`, the status",
        MARKED,
        SERVED + "test_a_server_that_stays_busy_is_a_failure_by_its_status",
    ),
    Fault(
        "server",
        "an answer that comes, and is billed, after the timeout",
        "`timeout`: the request may have been billed",
        MARKED,
        SERVED + "test_an_answer_that_comes_after_the_timeout_is_said_to_be_billed_perhaps",
    ),
    Fault(
        "server",
        "JSON cut short",
        "`truncated`, and how it begins",
        MARKED,
        SERVED + "test_truncated_json_is_a_failure",
    ),
    Fault(
        "server",
        "a model's name that changes within the run",
        "a warning and a note with both names",
        MARKED,
        SERVED + "test_a_model_name_that_changes_within_the_run_is_noted",
    ),
    Fault(
        "server",
        "a server's fingerprint that changes within the run",
        "a warning and a note with both",
        MARKED,
        SERVED + "test_a_fingerprint_that_changes_within_the_run_is_noted",
    ),
    Fault(
        "server",
        "a refusal",
        "`refusal`, in the model's words",
        MARKED,
        SERVED + "test_a_refusal_is_a_failure_in_the_models_words",
    ),
    Fault(
        "server",
        "an answer that a filter withheld",
        "`refusal`, by its finish_reason",
        MARKED,
        SERVED + "test_a_filtered_answer_is_a_failure",
    ),
    Fault(
        "server",
        "an empty answer of a server",
        "`empty`",
        MARKED,
        SERVED + "test_an_empty_answer_is_a_failure",
    ),
    Fault(
        "server",
        "a page of a proxy, with status 200",
        "`not JSON`, its type and how it begins",
        MARKED,
        SERVED + "test_a_page_of_a_proxy_is_a_failure_by_its_type",
    ),
    Fault(
        "server",
        "an image made smaller by lmms-eval to fit its limit of bytes",
        "`mismatched`: sent at which size, and which was asked for",
        MARKED,
        SERVED + "test_an_image_that_the_base_made_smaller_to_fit_a_limit_of_bytes_is_mismatched",
    ),
    Fault(
        "server",
        "a run against a server killed in the middle, and resumed",
        "nothing: no question that was answered is asked again",
        SAME,
        "servers/test_server_runs.py::test_a_run_killed_and_resumed_asks_nothing_twice",
        slow=True,
    ),
)

FAULTS = (*DATA, *MODEL, *RUN, *SERVERS, *RECORD)
"""Along the way."""
