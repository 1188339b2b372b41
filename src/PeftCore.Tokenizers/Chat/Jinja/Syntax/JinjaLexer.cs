namespace PeftCore.Tokenizers;

/// <summary>Cuts a template into text and tags. Chat templates are read with trim_blocks and lstrip_blocks: a block tag takes the line
/// break after it and, if it is the first thing on its line, the white space before it.</summary>
internal sealed class JinjaLexer
{
    private readonly string _source;
    private readonly List<JinjaToken> _tokens = [];
    private int _at;
    private int _line = 1;

    // Whether the last thing read ended with a line break.
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
        int tag = FindTag(_at);
        if (tag < 0)
        {
            AddData(_source[_at..]);
            _at = _source.Length;
            return;
        }

        char kind = _source[tag + 1];
        char sign = Sign(tag + 2);
        AddData(StripBeforeTag(_source[_at..tag], kind, sign));
        Advance(tag + (sign == ' ' ? 2 : 3));
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

    private char Sign(int at) => at < _source.Length && _source[at] is '-' or '+' ? _source[at] : ' ';

    private int FindTag(int from)
    {
        for (int i = _source.IndexOf('{', from); i >= 0 && i + 1 < _source.Length; i = _source.IndexOf('{', i + 1))
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
            return JinjaStrings.Strip(data, null, left: false, right: true);
        }

        int start = data.LastIndexOf('\n') + 1;
        return kind != '{' && sign != '+' && (start > 0 || _lineStart) && data.Skip(start).All(c =>
            JinjaStrings.IsSpace(c)) ? data[..start] : data;
    }

    private void SkipComment()
    {
        int end = _source.IndexOf("#}", _at, StringComparison.Ordinal);
        if (end < 0)
        {
            throw Bad("a comment has no end");
        }

        char sign = end > _at ? Sign(end - 1) : ' ';
        Advance(end);
        EndTag(sign, trimNewline: true);
    }

    /// <summary>Reads {% raw %} … {% endraw %} as the text it is.</summary>
    private bool TryReadRaw()
    {
        int at = SkipBlanks(_at);
        if (!_source.AsSpan(at).StartsWith("raw"))
        {
            return false;
        }

        at = SkipBlanks(at + 3);
        bool strip = Sign(at) == '-';
        at += strip ? 1 : 0;
        if (!_source.AsSpan(at).StartsWith("%}"))
        {
            return false;
        }

        Advance(at);
        EndTag(strip ? '-' : ' ', trimNewline: false);
        for (int tag = _source.IndexOf("{%", _at, StringComparison.Ordinal); tag >= 0; tag = _source.IndexOf("{%", tag + 2,
            StringComparison.Ordinal))
        {
            char sign = Sign(tag + 2);
            int name = SkipBlanks(tag + (sign == ' ' ? 2 : 3));
            if (!_source.AsSpan(name).StartsWith("endraw"))
            {
                continue;
            }

            int end = SkipBlanks(name + 6);
            char endSign = Sign(end);
            end += endSign == ' ' ? 0 : 1;
            if (_source.AsSpan(end).StartsWith("%}"))
            {
                AddData(StripBeforeTag(_source[_at..tag], '%', sign));
                Advance(end);
                EndTag(endSign, trimNewline: true);
                return true;
            }
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
                char sign = Sign(_at);
                sign = end == JinjaTokenKind.VariableEnd && sign == '+' ? ' ' : sign;
                if (_source.AsSpan(_at + (sign == ' ' ? 0 : 1)).StartsWith(closing))
                {
                    _at += sign == ' ' ? 0 : 1;
                    EndTag(sign, trimNewline: end == JinjaTokenKind.BlockEnd);
                    Add(end, closing);
                    return;
                }
            }

            Advance(JinjaTokenReader.Read(_source, _at, _line, open, _tokens));
        }
    }

    /// <summary>Skips the two closing characters of a tag and the white space that trimming removes.</summary>
    private void EndTag(char sign, bool trimNewline)
    {
        int after = _at + 2;
        if (sign == '-')
        {
            after = SkipBlanks(after);
        }
        else if (trimNewline && sign != '+' && after < _source.Length && _source[after] == '\n')
        {
            after++;
        }

        Advance(after);
        _lineStart = _source[after - 1] == '\n';
    }

    private void Advance(int to)
    {
        _line += _source.AsSpan(_at, to - _at).Count('\n');
        _at = to;
    }

    private int SkipBlanks(int at)
    {
        while (at < _source.Length && JinjaStrings.IsSpace(_source[at]))
        {
            at++;
        }

        return at;
    }

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
