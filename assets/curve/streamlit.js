// How Streamlit runs the curve: each of its parts is a component of its own, all of them served by this one module. The
// function is called again with all new data, on the same element or, when React built the page anew, on another one.
//
// Python answers a movement with silence: the table stays the same bytes, so nothing comes back that could undo the keys
// that were pressed meanwhile. Only when something else moved the knobs (a link, a goal, a box on the page) does `token`
// change, and then the knobs go where Python says.

const left = new Map(); // token -> where a person left the knobs, for an element that is built anew
const drawn = new Set(); // parts that are there; once all are, the first screen (`assets/first`) may go
let token = null, tell = null, table = null;

const live = startCurve((stands) => {
  left.set(token, live.keep());
  tell('moved', stands);
});

export default function ({ data: sent, parentElement, setTriggerValue }) {
  const section = parentElement.querySelector('section.curve');
  const { part } = section.dataset;
  const anew = live.attach(part, section);
  // the table comes as it is written: Streamlit would read and write all of it three times
  const data = sent instanceof Uint8Array ? JSON.parse(new TextDecoder().decode(sent)) : sent;
  if (part === 'tiles') live.say(data);
  if (part === 'knobs') {
    table = data;
    tell = setTriggerValue;
    const same = !anew && token === data.token;
    const kept = same ? undefined : left.get(data.token);
    token = data.token;
    live.take(data, same ? null : kept?.stands ?? data.stands);
    if (kept) live.restore(kept);
  }
  drawn.add(part);
  if (drawn.size === 3) window.optlabFirst?.leave((kept, focused) => takeOver(kept, focused));
  return () => live.detach(part, section);
}

// kept: what a person did on the first screen, null for nothing. focused: id of the knob under the keyboard.
function takeOver(kept, focused) {
  if (kept && table.cells.length) {
    left.set(token, kept);
    live.take(table, kept.stands);
    live.restore(kept);
    if (!alike(kept.stands, table.stands)) tell('moved', kept.stands);
  }
  live.focus(focused);
}
