namespace PeftCore.Tokenizers;

/// <summary>Cuts a template into text and tags. Chat templates are read with trim_blocks and lstrip_blocks: a block tag takes the line break
/// after it and, if it is the first thing on its line, the blanks before it.</summary>
internal sealed class JinjaLexer
{
    private readonly string _source;
    private readonly List<JinjaToken> _tokens = [];
    private int _at;
    private int _line = 1;
    private bool _lineStart = true;

    private JinjaLexer(string source)
    {
        _source = source.Replace("\r\n", "\n", StringComparison.Ordinal).Replace('\r', '\n');
        _source = _source.EndsWith('\n') ? _source[..^1] : _source;
    }

    public static List<JinjaToken> Tokenize(string source)
    {
        var lexer = new JinjaLexer(source);
        while (lexer._at < lexer._source.Length)
        {
            lexer.ReadDataAndTag();
        }

        lexer.Add(JinjaTokenKind.End, "");
        return lexer._tokens;
    }

    private void ReadDataAndTag()
    {
        var tag = FindTag(_at);
        if (tag < 0)
        {
            AddData(_source[_at..]);
            _at = _source.Length;
            return;
        }

        var kind = _source[tag + 1];
        var sign = tag + 2 < _source.Length && _source[tag + 2] is '-' or '+' ? _source[tag + 2] : ' ';
        AddData(StripBeforeTag(_source[_at..tag], kind, sign));
        _line += _source.AsSpan(_at, tag - _at).Count('\n');
        _at = tag + (sign == ' ' ? 2 : 3);
        switch (kind)
        {
            case '#':
                SkipComment();
                break;
            case '%' when TryReadRaw():
                break;
            case '%':
                Add(JinjaTokenKind.BlockBegin, "{%");
                ReadTag("%}", JinjaTokenKind.BlockEnd);
                break;
            default:
                Add(JinjaTokenKind.VariableBegin, "{{");
                ReadTag("}}", JinjaTokenKind.VariableEnd);
                break;
        }
    }

    private int FindTag(int from)
    {
        for (var i = _source.IndexOf('{', from); i >= 0 && i + 1 < _source.Length; i = _source.IndexOf('{', i + 1))
        {
            if (_source[i + 1] is '{' or '%' or '#')
            {
                return i;
            }
        }

        return -1;
    }

    private string StripBeforeTag(string data, char kind, char sign)
    {
        if (sign == '-')
        {
            return data.TrimEnd();
        }

        var lineStart = data.LastIndexOf('\n') + 1;
        var firstOnLine = (lineStart > 0 || _lineStart) && data.AsSpan(lineStart).Trim(" \t").IsEmpty;
        return kind != '{' && sign != '+' && firstOnLine ? data[..lineStart] : data;
    }

    private void SkipComment()
    {
        var end = _source.IndexOf("#}", _at, StringComparison.Ordinal);
        if (end < 0)
        {
            throw Bad("a comment has no end");
        }

        Advance(end);
        EndTag(end > 0 ? _source[end - 1] : ' ', trimNewline: true);
    }

    /// <summary>Reads {% raw %} … {% endraw %} as the text it is.</summary>
    private bool TryReadRaw()
    {
        var at = SkipBlanks(_at);
        if (!IsWordAt(at, "raw"))
        {
            return false;
        }

        at = SkipBlanks(at + 3);
        var strip = at < _source.Length && _source[at] == '-';
        at += strip ? 1 : 0;
        if (!_source.AsSpan(at).StartsWith("%}"))
        {
            return false;
        }

        at += 2;
        for (var tag = _source.IndexOf("{%", at, StringComparison.Ordinal); tag >= 0; tag = _source.IndexOf("{%", tag + 2, StringComparison.Ordinal))
        {
            var sign = tag + 2 < _source.Length && _source[tag + 2] is '-' or '+' ? _source[tag + 2] : ' ';
            var name = SkipBlanks(tag + (sign == ' ' ? 2 : 3));
            if (!IsWordAt(name, "endraw"))
            {
                continue;
            }

            var data = _source[at..tag];
            _lineStart = false;
            AddData(StripBeforeTag(strip ? data.TrimStart() : data, '%', sign));
            var end = SkipBlanks(name + 6);
            var endSign = end < _source.Length && _source[end] is '-' or '+' ? _source[end] : ' ';
            Advance(end + (endSign == ' ' ? 0 : 1));
            EndTag(endSign, trimNewline: true);
            return true;
        }

        throw Bad("a raw block has no endraw");
    }

    private void ReadTag(string closing, JinjaTokenKind end)
    {
        var open = new Stack<char>();
        while (true)
        {
            Advance(SkipBlanks(_at));
            if (_at >= _source.Length)
            {
                throw Bad($"a tag has no {closing}");
            }

            if (open.Count == 0)
            {
                var sign = _source[_at] is '-' or '+' ? _source[_at] : ' ';
                if (_source.AsSpan(_at + (sign == ' ' ? 0 : 1)).StartsWith(closing))
                {
                    _at += sign == ' ' ? 0 : 1;
                    EndTag(sign, trimNewline: end == JinjaTokenKind.BlockEnd);
                    Add(end, closing);
                    return;
                }
            }

            _at = JinjaTokenReader.Read(_source, _at, _line, open, _tokens);
        }
    }

    /// <summary>Passes the two closing characters of a tag and the white space that goes with them.</summary>
    private void EndTag(char sign, bool trimNewline)
    {
        _at += 2;
        var after = _at;
        if (sign == '-')
        {
            while (after < _source.Length && char.IsWhiteSpace(_source[after]))
            {
                after++;
            }
        }
        else if (trimNewline && sign != '+' && after < _source.Length && _source[after] == '\n')
        {
            after++;
        }

        Advance(Math.Min(after, _source.Length));
        _lineStart = after <= _source.Length && _source[after - 1] == '\n';
    }

    private void Advance(int to)
    {
        _line += _source.AsSpan(_at, to - _at).Count('\n');
        _at = to;
    }

    private int SkipBlanks(int at)
    {
        while (at < _source.Length && char.IsWhiteSpace(_source[at]))
        {
            at++;
        }

        return at;
    }

    private bool IsWordAt(int at, string word) => _source.AsSpan(at).StartsWith(word)
        && (at + word.Length >= _source.Length || !(char.IsLetterOrDigit(_source[at + word.Length]) || _source[at + word.Length] == '_'));

    private void AddData(string data)
    {
        if (data.Length > 0)
        {
            Add(JinjaTokenKind.Data, data);
        }
    }

    private void Add(JinjaTokenKind kind, string text) => _tokens.Add(new JinjaToken(kind, text, _line));

    private BadInputException Bad(string why) => JinjaError.At(_line, why);
}
