"""What the operator counts about itself, under the names that controller-runtime made usual."""

from prometheus_client import Counter, Gauge, Histogram

CONTROLLER = "modeldeployment"

RECONCILE_TOTAL = Counter(
    "controller_runtime_reconcile",
    "Passes over a ModelDeployment, by result (success, error, requeue_after, stalled).",
    ["controller", "result"],
)
RECONCILE_ERRORS = Counter(
    "controller_runtime_reconcile_errors", "Passes that ended in an unexpected error.", ["controller"]
)
RECONCILE_SECONDS = Histogram(
    "controller_runtime_reconcile_time_seconds",
    "Duration of a pass in seconds.",
    ["controller"],
    buckets=(0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60),
)
ACTIVE_WORKERS = Gauge("controller_runtime_active_workers", "Passes that run at this moment.", ["controller"])
MAX_CONCURRENT = Gauge(
    "controller_runtime_max_concurrent_reconciles", "Passes that may run at the same time.", ["controller"]
)
QUEUE_ADDS = Counter("workqueue_adds", "Keys that were put into the queue.", ["name"])
QUEUE_DEPTH = Gauge("workqueue_depth", "Keys that wait in the queue.", ["name"])
QUEUE_SECONDS = Histogram(
    "workqueue_queue_duration_seconds",
    "Seconds that a key waited in the queue.",
    ["name"],
    buckets=(0.001, 0.01, 0.1, 0.5, 1, 2, 5, 10, 30, 60, 300),
)
WORK_SECONDS = Histogram(
    "workqueue_work_duration_seconds",
    "Seconds that the work on a key took.",
    ["name"],
    buckets=(0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60),
)
UNFINISHED_SECONDS = Gauge(
    "workqueue_unfinished_work_seconds", "Seconds of all the work that is under way, added up.", ["name"]
)
LONGEST_SECONDS = Gauge(
    "workqueue_longest_running_processor_seconds", "Seconds of the work that is under way the longest.", ["name"]
)
QUEUE_RETRIES = Counter("workqueue_retries", "Keys that came back after a failure.", ["name"])
REST_REQUESTS = Counter(
    "rest_client_requests",
    "Requests to the API server by status code (<error>: no answer), method and host.",
    ["code", "method", "host"],
)
REST_SECONDS = Histogram(
    "rest_client_request_duration_seconds",
    "Seconds until the API server answered, by method.",
    ["verb"],
    buckets=(0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2, 5, 15, 30),
)
LEADER = Gauge("leader_election_master_status", "1 while this replica leads.", ["name"])
LOOP_LAG = Gauge("modelmoor_event_loop_lag_seconds", "How late the event loop was with a timer, when last measured.")
DRIFT_HEALED = Counter("modelmoor_drift_healed", "Objects that somebody changed and the operator put right.", ["kind"])
RESYNC_AGE = Gauge("modelmoor_resync_timestamp_seconds", "When a kind was last compared with the API server.", ["kind"])
CONDITION = Gauge(
    "modelmoor_modeldeployment_ready", "1 where a ModelDeployment is Ready.", ["namespace", "name", "reason"]
)
