import { useEffect, useState } from "preact/hooks";

import type { SessionPage } from "../api";
import type { Question } from "../questions";
import { OLDEST_FIRST } from "../order";
import type { View, Watch } from "../watch";
import { Bar } from "./bar";
import { EndingsPanel } from "./endings";
import { Figures } from "./figures";
import { Notices } from "./notices";
import { Ask } from "./question";
import { Sessions } from "./sessions";
import { Toolbar } from "./toolbar";

/** Long enough to be read; what came of it is in the table by then. */
const SAID_MS = 12_000;

/** Everything that an administrator sees. */
export function Desk({
  view,
  page,
  watch,
  leave,
}: {
  view: View;
  page: SessionPage;
  watch: Watch;
  leave: () => void;
}) {
  const [question, setQuestion] = useState<Question | null>(null);
  const [order, setOrder] = useState(OLDEST_FIRST);
  const [said, setSaid] = useFading();
  const gone = view.phase.name === "gone";
  return (
    <div class={gone ? "operator stale" : "operator"}>
      <Bar view={view} page={page} watch={watch} ask={setQuestion} leave={leave} />
      <main class="desk">
        <h1 class="unseen">Operator</h1>
        <Notices view={view} page={page} />
        <p class="said" role="status">
          {said}
        </p>
        <Figures view={view} page={page} />
        <section class="sheet" aria-labelledby="sessions-title">
          <Toolbar view={view} page={page} watch={watch} ask={setQuestion} />
          <Sessions
            view={view}
            page={page}
            watch={watch}
            order={order}
            setOrder={setOrder}
            ask={setQuestion}
          />
        </section>
        <EndingsPanel endings={view.endings} />
      </main>
      {question !== null && (
        <Ask
          question={question}
          watch={watch}
          info={view.info}
          sessions={view.figures?.sessions ?? null}
          done={(words) => {
            setQuestion(null);
            if (words !== null) setSaid(words);
            void watch.poll();
          }}
        />
      )}
    </div>
  );
}

/** Words that are taken away after a while. */
function useFading(): [string, (words: string) => void] {
  const [words, setWords] = useState("");
  useEffect(() => {
    const timer = setTimeout(() => {
      setWords("");
    }, SAID_MS);
    return () => {
      clearTimeout(timer);
    };
  }, [words]);
  return [words, setWords];
}
