// How Streamlit runs the curve: each of its parts is a component of its own, all of them served by this one module. The
// function is called again with all new data, on the same element or, when React built the page anew, on another one.
//
// Python answers a movement with silence: the table stays the same bytes, so nothing comes back that could undo the keys
// that were pressed meanwhile. Only when something else moved the knobs (a link, a goal, a box on the page) does `token`
// change, and then the knobs go where Python says.

const left = new Map(); // token -> where a person left the knobs, for an element that is built anew
let token = null, tell = null;

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
    tell = setTriggerValue;
    const same = !anew && token === data.token;
    const kept = same ? undefined : left.get(data.token);
    token = data.token;
    live.take(data, same ? null : kept?.stands ?? data.stands);
    if (kept) live.restore(kept);
  }
  return () => live.detach(part, section);
}
