package bootcfg

type nodeKind uint8

const (
	nodeCommand nodeKind = iota
	nodeIf
	nodeFor
	nodeWhile // until has not set
	nodeFunction
)

// node is a statement.
type node struct {
	kind  nodeKind
	line  int
	words []word    // of a command; of a for, the list
	block []*node   // of a menuentry; of a loop or function, the body
	conds [][]*node // of an if, one for each branch; of a loop, one
	thens [][]*node // of an if
	els   []*node
	name  string // of a for's variable, of a function
	not   bool   // until
}

// maxNesting bounds blocks inside blocks.
const maxNesting = 32

type parser struct {
	lexer
	tok   token
	depth int
}

// parseGRUB parses a whole script. As in GRUB, what is not understood is left
// out up to the end of its line, and the rest goes on; it is reported.
func parseGRUB(src string) (list []*node, errs []error) {
	p := &parser{lexer: lexer{src: src, line: 1}}
	if err := p.advance(); err != nil {
		errs = append(errs, err)
		p.skipLine()
	}
	for p.tok.kind != tokenEOF && len(errs) < 20 {
		part, err := p.list()
		list = append(list, part...)
		if err == nil && p.tok.kind == tokenEOF {
			break
		}
		if err == nil {
			err = p.fail("a word or brace that closes nothing")
		}
		errs = append(errs, err)
		p.skipLine()
	}
	return list, errs
}

// skipLine goes to the next line and reads its first token.
func (p *parser) skipLine() {
	p.depth = 0
	for {
		for p.pos < len(p.src) && p.src[p.pos] != '\n' {
			p.pos++
		}
		if p.pos < len(p.src) {
			p.pos++
			p.line++
		}
		if p.advance() == nil {
			return
		}
	}
}

func (p *parser) advance() (err error) {
	p.tok, err = p.next()
	return err
}

// list reads statements up to a word or brace that is not one of its own.
func (p *parser) list() (out []*node, err error) {
	if p.depth++; p.depth > maxNesting {
		return nil, p.fail("too many blocks inside blocks")
	}
	defer func() { p.depth-- }()
	for {
		for p.tok.kind == tokenEnd {
			if err := p.advance(); err != nil {
				return out, err
			}
		}
		if p.tok.kind != tokenWord {
			return out, nil
		}
		switch p.tok.word.keyword() {
		case "then", "elif", "else", "fi", "do", "done", "in":
			return out, nil
		}
		n, err := p.statement()
		if err != nil {
			return out, err
		}
		out = append(out, n)
	}
}

func (p *parser) statement() (*node, error) {
	switch p.tok.word.keyword() {
	case "if":
		return p.ifStatement()
	case "while", "until":
		return p.loop()
	case "for":
		return p.forLoop()
	case "function":
		return p.function()
	}
	n := &node{kind: nodeCommand, line: p.tok.line}
	for {
		switch p.tok.kind {
		case tokenWord:
			n.words = append(n.words, p.tok.word)
			if err := p.advance(); err != nil {
				return nil, err
			}
		case tokenOpen:
			block, err := p.braces()
			if err != nil {
				return nil, err
			}
			if n.block = block; n.block == nil {
				n.block = []*node{}
			}
		default:
			return n, nil
		}
	}
}

// braces reads { LIST }.
func (p *parser) braces() ([]*node, error) {
	if err := p.advance(); err != nil {
		return nil, err
	}
	list, err := p.list()
	if err != nil {
		return nil, err
	}
	if p.tok.kind != tokenClose {
		return nil, p.fail("a brace is not closed")
	}
	return list, p.advance()
}

// expect takes the given word.
func (p *parser) expect(w string) error {
	for p.tok.kind == tokenEnd {
		if err := p.advance(); err != nil {
			return err
		}
	}
	if p.tok.kind != tokenWord || p.tok.word.keyword() != w {
		return p.fail("there has to be " + w)
	}
	return p.advance()
}

func (p *parser) ifStatement() (*node, error) {
	n := &node{kind: nodeIf, line: p.tok.line}
	for {
		if err := p.advance(); err != nil { // if, elif
			return nil, err
		}
		cond, err := p.list()
		if err != nil {
			return nil, err
		}
		if err := p.expect("then"); err != nil {
			return nil, err
		}
		then, err := p.list()
		if err != nil {
			return nil, err
		}
		n.conds, n.thens = append(n.conds, cond), append(n.thens, then)
		if p.tok.kind != tokenWord || p.tok.word.keyword() != "elif" {
			break
		}
	}
	if p.tok.kind == tokenWord && p.tok.word.keyword() == "else" {
		if err := p.advance(); err != nil {
			return nil, err
		}
		els, err := p.list()
		if err != nil {
			return nil, err
		}
		n.els = els
	}
	return n, p.expect("fi")
}

func (p *parser) loop() (*node, error) {
	n := &node{kind: nodeWhile, line: p.tok.line, not: p.tok.word.keyword() == "until"}
	if err := p.advance(); err != nil {
		return nil, err
	}
	cond, err := p.list()
	if err != nil {
		return nil, err
	}
	n.conds = [][]*node{cond}
	return n, p.doDone(n)
}

func (p *parser) doDone(n *node) (err error) {
	if err = p.expect("do"); err != nil {
		return err
	}
	if n.block, err = p.list(); err != nil {
		return err
	}
	return p.expect("done")
}

func (p *parser) forLoop() (*node, error) {
	n := &node{kind: nodeFor, line: p.tok.line}
	if err := p.advance(); err != nil {
		return nil, err
	}
	if n.name = p.tok.word.keyword(); n.name == "" {
		return nil, p.fail("for needs a variable")
	}
	if err := p.advance(); err != nil {
		return nil, err
	}
	if err := p.expect("in"); err != nil {
		return nil, err
	}
	for p.tok.kind == tokenWord {
		n.words = append(n.words, p.tok.word)
		if err := p.advance(); err != nil {
			return nil, err
		}
	}
	return n, p.doDone(n)
}

func (p *parser) function() (*node, error) {
	n := &node{kind: nodeFunction, line: p.tok.line}
	if err := p.advance(); err != nil {
		return nil, err
	}
	if n.name = p.tok.word.keyword(); n.name == "" {
		return nil, p.fail("a function needs a name")
	}
	if err := p.advance(); err != nil {
		return nil, err
	}
	for p.tok.kind == tokenEnd {
		if err := p.advance(); err != nil {
			return nil, err
		}
	}
	if p.tok.kind != tokenOpen {
		return nil, p.fail("a function needs a block")
	}
	block, err := p.braces()
	n.block = block
	return n, err
}
