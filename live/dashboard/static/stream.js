// The stream of states: a snapshot, then what changes. The browser connects again by itself.

export function follow(onState, onLink) {
  const state = {};
  let heard = performance.now();
  const source = new EventSource("events");
  const take = (part) => {
    heard = performance.now();
    onLink(true);
    onState(state, new Set(Object.keys(part)));
  };
  source.addEventListener("snapshot", (event) => {
    const whole = JSON.parse(event.data);
    for (const name of Object.keys(state)) delete state[name];
    Object.assign(state, whole);
    take(whole);
  });
  source.addEventListener("delta", (event) => {
    const delta = JSON.parse(event.data);
    for (const [name, section] of Object.entries(delta)) {
      if (name !== "curves") { state[name] = section; continue; }
      for (const [curve, columns] of Object.entries(section)) state.curves[curve] = grown(state.curves[curve], columns);
    }
    take(delta);
  });
  source.onerror = () => onLink(false);
  return () => (performance.now() - heard) / 1000;
}

// Stretches from `first` on replace those that were there.
function grown(old, fresh) {
  const joined = { first: 0 };
  for (const name of ["start_ms", "low", "high", "last"]) {
    joined[name] = old ? old[name].slice(0, fresh.first).concat(fresh[name]) : fresh[name];
  }
  return joined;
}
