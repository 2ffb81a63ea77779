// The curve under the finger: holds where the knobs stand, looks that stop up in the table and draws it, in the same
// event, so that a frame never waits for anybody. `heard` is called with {bits, sparsity, temperature} when the knobs
// rest; null where there is nobody to hear.
//
// Its three parts (tiles, knobs, chart) may lie in different places of a page, come in any order and go again.

function startCurve(heard) {
  const parts = { tiles: null, knobs: null, chart: null }; // of each: its element and what draws into it
  let curve = null; // the table; null until it came
  let said = null; // {cell, stands}: the recipe of the page as Python knows it; null where nobody says anything
  let budget = null, along = 'bits';

  const make = {
    tiles: makeTiles,
    chart: (section) => {
      const chart = makeChart(section.querySelector('.chart'));
      const watch = new ResizeObserver(() => { if (curve) { chart.settle(curve, budget); draw(); } });
      watch.observe(section.querySelector('.chart'));
      return { ...chart, end: () => watch.disconnect() };
    },
    knobs: (section) => makeKnobs(section.querySelector('.knobs'), moved, rested, (bytes) => {
      budget = bytes;
      parts.chart?.view.settle(curve, budget);
      draw();
    }),
  };

  function moved(name) {
    if (name !== 'temperature') along = name;
    draw();
  }
  function rested() {
    const cell = shown();
    const words = cell.reason || cell.tiles.map((tile) => tile.headline).join(curve.words.comma);
    parts.knobs.view.speak(words);
    heard?.(parts.knobs.view.stands());
  }
  function cellAt(bits, sparsity) {
    return curve.cells[bits * curve.sparsity.stops.length + sparsity];
  }
  // where the knobs stand; null for a recipe that no knobs can show
  function here() {
    const knobs = parts.knobs?.view;
    return curve?.cells.length && knobs ? cellAt(knobs.at('bits'), knobs.at('sparsity')) : null;
  }
  // Python knows more of the recipe on the page than the table does: what a running measurement has found so far
  function shown() {
    const found = here();
    return said && (!found || alike(said.stands, parts.knobs.view.stands())) ? said.cell : found;
  }
  function way() {
    if (!here()) return [];
    const knobs = parts.knobs.view;
    return along === 'bits'
      ? curve.bits.stops.map((_, stop) => cellAt(stop, knobs.at('sparsity')))
      : curve.sparsity.stops.map((_, stop) => cellAt(knobs.at('bits'), stop));
  }

  function draw() {
    const cell = shown();
    if (!cell || !curve) return;
    const knobs = parts.knobs?.view;
    // the table is for one kind of training, and the box was ticked a moment ago
    const stale = here() !== null && knobs.training !== curve.training;
    for (const part of Object.values(parts)) part?.section.classList.toggle('stale', stale);
    parts.tiles?.view.draw(cell, curve.words);
    parts.chart?.view.move(way(), cell);
    parts.chart?.view.note(cell.reason || (cell.side === 'predicted' ? curve.record : ''));
    const size = cell.point?.size ?? cell.tiles[1].value;
    knobs?.fits(budget === null || size === null ? '' : size <= budget ? curve.words.within : curve.words.over);
  }

  return {
    // section: the element in which a part is drawn; the same one again changes nothing. Returns whether it was new.
    attach(name, section) {
      if (parts[name]?.section === section) return false;
      parts[name]?.view.end?.();
      parts[name] = { section, view: make[name](section) };
      if (name === 'chart' && curve) parts.chart.view.settle(curve, budget);
      draw();
      return true;
    },
    detach(name, section) {
      if (parts[name]?.section !== section) return;
      parts[name].view.end?.();
      parts[name] = null;
    },
    // A new table. stands: where the knobs are put; null leaves them where a person has them.
    take(table, stands) {
      curve = table;
      const knobs = parts.knobs.view;
      parts.knobs.section.hidden = curve.cells.length === 0;
      if (curve.cells.length) {
        knobs.offer(curve, heard === null);
        if (stands) knobs.stand(stands, curve.usual_temperature);
      }
      parts.chart?.view.settle(curve, budget);
      draw();
    },
    say(words) {
      said = words;
      draw();
    },
    keep: () => ({ stands: parts.knobs.view.stands(), budget: parts.knobs.view.budget(), along }),
    restore(kept) {
      along = kept.along;
      parts.knobs.view.allow(kept.budget);
    },
    // id: of an element of the knobs; anything else changes nothing
    focus(id) {
      if (id) parts.knobs?.section.querySelector(`[id="${id}"]`)?.focus();
    },
  };
}

function alike(one, other) {
  return one !== null && ['bits', 'sparsity', 'temperature'].every((name) => one[name] === other[name]);
}
