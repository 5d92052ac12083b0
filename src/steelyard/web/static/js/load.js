// Hooks that ask the server: once for each question, again and again, or while somebody drags.
import { useEffect, useRef, useState } from "./html.js";
import { keeper } from "./live.js";

const EMPTY = { data: null, error: null, busy: false };

/** The answer of `ask(signal)` to `question` (any JSON; null: nothing is asked). The answer before stays till the next. */
export function useLoad(question, ask) {
  const [state, set] = useState(EMPTY);
  const key = JSON.stringify(question);
  useEffect(() => {
    if (question === null) { set(EMPTY); return undefined; }
    const stop = new AbortController();
    set((old) => ({ ...old, busy: true }));
    Promise.resolve(ask(stop.signal)).then(
      (data) => stop.signal.aborted || set({ data, error: null, busy: false, key }),
      (error) => stop.signal.aborted || set((old) => ({ ...old, error, busy: false })),
    );
    return () => stop.abort();
  }, [key]);
  return { ...state, fresh: state.key === key };
}

/** As `useLoad`, asked again every `every(data)` ms while the page is seen; `again()` asks at once. */
export function usePolled(question, ask, every) {
  const [state, set] = useState(EMPTY);
  const now = useRef(() => {});
  const key = JSON.stringify(question);
  useEffect(() => {
    if (question === null) { set(EMPTY); return undefined; }
    let timer = 0, ended = false, round = 0;
    const next = (data) => { if (!ended) timer = setTimeout(turn, every(data)); };
    const turn = () => {
      clearTimeout(timer);
      if (document.hidden) { next(null); return; }
      round += 1;
      const mine = round;
      const old = () => ended || mine !== round;
      ask().then(
        (data) => { if (!old()) { set({ data, error: null, busy: false }); next(data); } },
        (error) => { if (!old()) { set((s) => ({ ...s, error })); next(null); } },
      );
    };
    now.current = turn;
    turn();
    return () => { ended = true; clearTimeout(timer); };
  }, [key]);
  return { ...state, again: () => now.current() };
}

/** Answers to several questions, each asked once: a list of {data, error} beside `questions`. */
export function useEach(questions, ask) {
  const [answers, set] = useState({});
  const keys = questions.map((question) => JSON.stringify(question));
  const asked = useRef(new Set());
  useEffect(() => {
    questions.forEach((question, i) => {
      const key = keys[i];
      if (asked.current.has(key)) return;
      asked.current.add(key);
      const put = (answer) => set((old) => ({ ...old, [key]: answer }));
      ask(question).then((data) => put({ data }), (error) => { asked.current.delete(key); put({ error }); });
    });
  }, [keys.join("\n")]);
  return keys.map((key) => answers[key] ?? {});
}

/** The newest answer of `ask(question, signal)` while `question` changes quickly; `subject` names what it is about. */
export function useLive(subject, question, ask) {
  const [state, set] = useState(EMPTY);
  const asker = useRef(null);
  asker.current ??= keeper(ask, set);
  const key = JSON.stringify(question);
  useEffect(() => {
    asker.current.forget();
    set(EMPTY);
  }, [subject]);
  useEffect(() => { if (question !== null) asker.current.put(question, key); }, [key]);
  useEffect(() => () => asker.current.forget(), []);
  return { ...state, fresh: state.key === key };
}
