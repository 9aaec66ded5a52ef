(function () {
  'use strict';
  var data = JSON.parse(document.getElementById('data').textContent);
  var hosts = data.h, perPage = 50;
  var verdicts = {r: ['READY', 'ready'], w: ['READY, WITH WARNINGS', 'warnings'], b: ['BLOCKED', 'blocked'], u: ['UNDECIDED', 'unknown'], l: ['Unreadable', 'lost'], '-': ['Not judged', 'unjudged']};
  var states = {b: ['Blocks the move', 'blocks'], u: ['Undecided', 'undecided'], w: ['Warning', 'warns'], n: ['Note', 'minor'], a: ['Waived', 'accepted']};
  var order = 'buwna-', worse = 'lbuw-r';
  // What is shown: a target (-1: any), a verdict and a cause (-1: any), a text.
  var now = {t: -1, v: '', c: -1, q: '', o: 'worst', page: 0};
  var found = [], open = {}, allCauses = false;

  function $(id) { return document.getElementById(id); }
  function say(text) {
    var s = data.w[text], args = arguments, n = 0;
    return s.replace(/%s|\{([1-3])\}/g, function (m, k) { n++; return args[k ? Number(k) : n]; });
  }
  function make(tag, cls, text) {
    var e = document.createElement(tag);
    if (cls) { e.className = cls; }
    if (text !== undefined) { e.textContent = text; }
    return e;
  }
  function each(list, f) { Array.prototype.forEach.call(list, f); }

  // The worst state of a row of them, or that for the target.
  var worstOf = data.s.map(function (s) {
    for (var i = 0; i < order.length; i++) { if (s.indexOf(order[i]) >= 0) { return order[i]; } }
    return '-';
  });
  function state(h, k) { var s = h.f[k + 3]; return now.t < 0 ? worstOf[s] : data.s[s][now.t]; }
  function verdict(h) { return h.v[now.t + 1]; }
  function keeps(s) { return s === 'b' || s === 'u' || s === 'w'; }
  each(hosts, function (h) {
    h.low = (h.n + ' ' + (h.a || '') + ' ' + data.o[h.o] + ' ' + h.d.map(function (d) { return d[0]; }).join(' ')).toLowerCase();
  });

  // count makes the table of causes for the target.
  function count() {
    var n = data.c.map(function () { return [0, 0, 0, 0]; });
    each(hosts, function (h) {
      var worst = {}, blocking = 0, k;
      for (k = 0; k < h.f.length; k += 5) {
        var c = h.f[k], s = state(h, k);
        if (!(c in worst) || order.indexOf(s) < order.indexOf(worst[c])) { worst[c] = s; }
      }
      for (k in worst) { if (worst[k] === 'b') { blocking++; } }
      for (k in worst) {
        if (worst[k] === 'b') { n[k][0]++; if (blocking === 1) { n[k][1]++; } }
        if (worst[k] === 'u') { n[k][2]++; }
        if (worst[k] === 'w') { n[k][3]++; }
      }
    });
    return n;
  }
  var shownCauses = 12;
  function causes() {
    var rows = document.querySelectorAll('.causes tbody tr');
    if (!rows.length) { return; }
    var n = count(), body = rows[0].parentNode, list = [];
    each(rows, function (r) { list.push(r); });
    list.sort(function (a, b) {
      var x = n[a.getAttribute('data-c')], y = n[b.getAttribute('data-c')];
      return y[0] - x[0] || y[2] - x[2] || y[3] - x[3] || a.getAttribute('data-c') - b.getAttribute('data-c');
    });
    var kept = 0, select = $('c');
    select.textContent = '';
    option(select, -1, say('any cause'));
    each(list, function (r) {
      var c = Number(r.getAttribute('data-c')), cells = r.querySelectorAll('td.num');
      each(cells, function (td, i) {
        td.textContent = '';
        td.appendChild(n[c][i] ? document.createTextNode(n[c][i]) : make('span', 'zero', '0'));
      });
      var some = n[c][0] + n[c][2] + n[c][3];
      if (some) {
        kept++;
        option(select, c, data.c[c].n + ' (' + data.c[c].i + ', ' + some + ') ' + r.querySelector('.brief').textContent.slice(0, 60));
      }
      r.classList.toggle('gone', !some || !allCauses && kept > shownCauses);
      body.appendChild(r);
    });
    if (now.c >= 0 && !(n[now.c][0] + n[now.c][2] + n[now.c][3])) { option(select, now.c, data.c[now.c].n); }
    select.value = now.c;
    $('for').textContent = say('For %s. A host counts once for each cause; several causes may keep it.', target(now.t));
    $('more').textContent = say('Show all %s causes', kept);
    $('more').parentNode.classList.toggle('gone', allCauses || kept <= shownCauses);
  }
  function target(t) { return t < 0 ? say('all, the worst of them') : data.t[t]; }
  function option(select, value, text) {
    var o = make('option', '', text);
    o.value = value;
    select.appendChild(o);
  }

  // filter finds the hosts that are wanted, in their order.
  function filter() {
    var words = now.q.toLowerCase().split(/\s+/).filter(Boolean);
    found = hosts.filter(function (h) {
      if (now.v && verdict(h) !== now.v) { return false; }
      for (var i = 0; i < words.length; i++) { if (h.low.indexOf(words[i]) < 0) { return false; } }
      if (now.c < 0) { return true; }
      for (var k = 0; k < h.f.length; k += 5) { if (h.f[k] === now.c && keeps(state(h, k))) { return true; } }
      return false;
    });
    if (now.o === 'size') { found.sort(function (a, b) { return b.b - a.b; }); }
    if (now.o === 'worst') { found.sort(function (a, b) { return worse.indexOf(verdict(a)) - worse.indexOf(verdict(b)); }); }
  }

  function remedy(box, fix) {
    each(fix, function (m) {
      if (m.c) {
        var cmd = make('div', 'cmd');
        cmd.appendChild(make('pre', '', m.c));
        box.appendChild(cmd);
        return;
      }
      var p = make('p', '', m.u ? undefined : m.t);
      if (m.u && m.u.indexOf('https://') === 0) {
        var a = make('a', '', m.t);
        a.href = m.u;
        a.rel = 'noreferrer noopener';
        p.appendChild(a);
      }
      box.appendChild(p);
    });
  }

  function detail(h) {
    var tr = make('tr', 'detail'), td = make('td');
    td.colSpan = 5;
    tr.appendChild(td);
    function note(text) { td.appendChild(make('p', 'small', text)); }
    if (h.a) { note(say('It calls itself %s.', h.a)); }
    each(h.d, function (d) { note(d[0] + ': ' + d[1] + ', ' + d[2] + ', ' + d[3]); });
    each(h.u || [], function (u) { note(say(h.d.length ? 'A file of this host could not be read: %s.' : 'No file of this host could be read: %s.', u)); });
    each(h.g || [], function (g) { note(g[0] ? say('There is no report of %s for %s.', g[0], g[1]) : say('There is no report for %s.', g[1])); });
    var list = [];
    for (var k = 0; k < h.f.length; k += 5) { if (state(h, k) !== '-') { list.push(k); } }
    list.sort(function (a, b) { return order.indexOf(state(h, a)) - order.indexOf(state(h, b)); });
    if (!list.length && h.d.length) { note(say('Nothing needs attention.')); }
    each(list, function (k) {
      var s = states[state(h, k)], c = data.c[h.f[k]];
      var box = make('article', 'card finding ' + s[1]), head = make('div', 'head'), id = make('span', 'id');
      head.appendChild(make('span', 'tag ' + s[1], say(s[0])));
      head.appendChild(make('h3', '', c.n));
      id.appendChild(make('code', '', c.i));
      if (h.d.length > 1) { id.appendChild(document.createTextNode(' ' + h.d[h.f[k + 4]][0])); }
      head.appendChild(id);
      box.appendChild(head);
      box.appendChild(make('p', 'found', data.x[h.f[k + 1]]));
      if (now.t < 0 && data.t.length > 1) { box.appendChild(targets(data.s[h.f[k + 3]])); }
      if (data.f[h.f[k + 2]].length) {
        box.appendChild(make('p', 'label', say('What to do')));
        remedy(box, data.f[h.f[k + 2]]);
      }
      td.appendChild(box);
    });
    copyButtons(td);
    return tr;
  }

  // targets are chips: what a finding is for each target.
  function targets(row) {
    var box = make('div', 'tags'), by = {};
    for (var t = 0; t < row.length; t++) { if (row[t] !== '-') { (by[row[t]] = by[row[t]] || []).push(data.i[t]); } }
    each(order, function (s) {
      if (!by[s]) { return; }
      var names = by[s].slice(0, 4).join(', ');
      if (by[s].length > 4) { names += ', ' + say('and %s more', by[s].length - 4); }
      if (by[s].length === data.t.length) { names = say('all'); }
      var chip = make('span', 'tag ' + states[s][1], say(states[s][0]) + ': ' + names);
      chip.title = by[s].join(', ');
      box.appendChild(chip);
    });
    return box;
  }

  function row(h, list) {
    var tr = make('tr'), v = verdicts[verdict(h)], ids = [], more = 0;
    function cell(label, cls) {
      var td = make('td', cls);
      td.setAttribute('data-l', document.querySelectorAll('.hosts th')[label].textContent);
      tr.appendChild(td);
      return td;
    }
    var name = make('button', 'host', h.n);
    name.type = 'button';
    name.setAttribute('aria-expanded', String(!!open[h.n]));
    name.addEventListener('click', function () {
      open[h.n] = !open[h.n];
      name.setAttribute('aria-expanded', String(open[h.n]));
      if (open[h.n]) { tr.parentNode.insertBefore(detail(h), tr.nextSibling); } else { tr.parentNode.removeChild(tr.nextSibling); }
    });
    cell(0).appendChild(name);
    cell(1).textContent = data.o[h.o];
    cell(2, 'num').textContent = h.d.length ? h.z : '';
    cell(3).appendChild(make('span', 'tag ' + v[1], say(v[0])));
    each('bu', function (s) {
      for (var k = 0; k < h.f.length; k += 5) {
        var id = data.c[h.f[k]].i;
        if (state(h, k) !== s || ids.indexOf(id) >= 0) { continue; }
        if (ids.length < 4) { ids.push(id); } else { more++; }
      }
    });
    cell(4, 'ids').textContent = ids.join(', ') + (more ? ', ' + say('and %s more', more) : '');
    list.appendChild(tr);
    if (open[h.n]) { list.appendChild(detail(h)); }
  }

  function rows(from, to) {
    var list = document.createDocumentFragment(), body = $('list');
    for (var i = from; i < to; i++) { row(found[i], list); }
    if (!found.length) {
      var tr = make('tr'), td = make('td', '', say('No host is like that.'));
      td.colSpan = 5;
      tr.appendChild(td);
      list.appendChild(tr);
    }
    body.textContent = '';
    body.appendChild(list);
  }

  function show() {
    var from = now.page * perPage, to = Math.min(found.length, from + perPage);
    rows(from, to);
    $('n').textContent = say('%s of %s hosts', found.length, hosts.length);
    $('all').classList.toggle('gone', !now.v && !now.q && now.c < 0);
    $('page').textContent = found.length ? say('%s to %s of %s', from + 1, to, found.length) : '';
    $('prev').disabled = now.page === 0;
    $('next').disabled = to >= found.length;
    $('prev').parentNode.classList.toggle('gone', found.length <= perPage);
  }

  // set changes what is shown.
  function set(change) {
    var t = now.t;
    for (var k in change) { now[k] = change[k]; }
    if (!('page' in change)) { now.page = 0; }
    if (now.t !== t) { causes(); }
    filter();
    show();
    $('t').value = now.t;
    $('v').value = now.v;
    $('c').value = now.c;
    if ($('q').value !== now.q) { $('q').value = now.q; }
  }

  document.documentElement.classList.add('js');
  option($('t'), -1, target(-1));
  each(data.t, function (name, i) { option($('t'), i, name); });
  option($('v'), '', say('any verdict'));
  each('rwbul-', function (v) { option($('v'), v, say(verdicts[v][0])); });
  each([['worst', 'worst first'], ['name', 'by name'], ['size', 'largest first']], function (o) { option($('o'), o[0], say(o[1])); });
  each('tvco', function (id) {
    $(id).addEventListener('change', function () {
      var change = {};
      change[id] = id === 't' || id === 'c' ? Number(this.value) : this.value;
      set(change);
    });
  });
  $('q').addEventListener('input', function () { set({q: this.value}); });
  $('all').addEventListener('click', function () { set({v: '', c: -1, q: ''}); });
  function turn(by) {
    set({page: now.page + by});
    $('hosts').scrollIntoView();
  }
  $('prev').addEventListener('click', function () { turn(-1); });
  $('next').addEventListener('click', function () { turn(1); });
  each(document.querySelectorAll('.verdicts tbody a'), function (a) {
    a.addEventListener('click', function () {
      set({t: Number(a.parentNode.parentNode.getAttribute('data-t')), v: a.getAttribute('data-v'), c: -1, q: ''});
    });
  });
  each(document.querySelectorAll('.causes tbody tr'), function (r) {
    var b = make('button', 'link more', say('Show its hosts'));
    b.type = 'button';
    b.addEventListener('click', function () {
      set({c: Number(r.getAttribute('data-c')), v: '', q: ''});
      $('hosts').scrollIntoView();
    });
    r.querySelector('td').insertBefore(b, r.querySelector('details'));
  });
  var table = document.querySelector('.causes'), p = make('p', 'pager'), b = make('button');
  b.type = 'button';
  b.id = 'more';
  b.addEventListener('click', function () { allCauses = true; causes(); });
  p.appendChild(b);
  if (table) { table.parentNode.insertBefore(p, table.nextSibling); }
  copyButtons(document);
  causes();
  set({});
  // On paper: all that were found, not a page of them.
  window.addEventListener('beforeprint', function () { rows(0, found.length); });
  window.addEventListener('afterprint', show);
}());
