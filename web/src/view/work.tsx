import { titled } from "../app/words";
import type { Job, JobState, Work } from "../call/state";
import { isOver } from "../call/work";
import { Icon } from "./icons";

const STATES: Readonly<Record<JobState, string>> = {
  started: "working",
  update: "working",
  completed: "done",
  failed: "failed",
  cancelled: "given up",
  error: "failed",
};

/** Tasks that work for another one, side by side. */
export function WorkBoard({ work }: { work: Work }) {
  return (
    <section class="work" aria-label={`What ${titled(work.asker || "the assistant")} asked for`}>
      <ul class="jobs">
        {work.jobs.map((job) => (
          <li key={`${job.id} ${job.task}`} class={`job ${job.state}`}>
            <JobCard job={job} />
          </li>
        ))}
      </ul>
    </section>
  );
}

function JobCard({ job }: { job: Job }) {
  const good = job.state === "completed";
  return (
    <>
      <p class="job-head">
        <span class="job-task">{titled(job.task)}</span>
        <span class="outcome">
          {isOver(job) ? <Icon name={good ? "check" : "cross"} /> : <span class="pulse" />}
          {STATES[job.state]}
        </span>
      </p>
      {job.text ? (
        <p class="job-text">{job.text}</p>
      ) : (
        <p class="job-text quiet">{job.name === null ? "…" : titled(job.name)}</p>
      )}
    </>
  );
}
