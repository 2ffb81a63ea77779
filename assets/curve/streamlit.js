// How Streamlit runs the curve: this function is called again with every new table, on the same element or, when React
// built the page anew, on another one.
//
// Python answers a movement with silence: the table stays the same bytes, so nothing comes back that could undo the keys
// that were pressed meanwhile. Only when something else moved the knobs (a link, a goal, a box on the page) does `token`
// change, and then the knobs go where Python says.

const running = new WeakMap(); // element -> curve
const left = new Map(); // token -> where a person left the knobs, for an element that is built anew

export default function ({ data, parentElement, setTriggerValue }) {
  const section = parentElement.querySelector('section.curve');
  let curve = running.get(parentElement);
  if (curve?.section !== section) {
    curve = startCurve(section, (stands) => {
      left.set(curve.token, curve.keep());
      setTriggerValue('moved', stands);
    });
    running.set(parentElement, curve);
  }
  const same = curve.token === data.token;
  const kept = same ? undefined : left.get(data.token);
  curve.token = data.token;
  curve.take(data, same ? null : kept?.stands ?? data.stands);
  if (kept) curve.restore(kept);
}
