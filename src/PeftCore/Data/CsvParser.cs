using System.Text;

namespace PeftCore.Data;

/// <summary>Splits comma-separated text into records by RFC 4180: fields in quotes may hold commas, line ends and doubled quotes; lines end
/// with LF, CR LF or CR. Blank lines are skipped. Other delimiters than the comma are possible.</summary>
internal sealed class CsvParser(string file, string text, char delimiter = ',')
{
    private readonly string _stops = $"{delimiter}\r\n\"";
    private readonly StringBuilder _quoted = new();
    private int _at;
    private int _line = 1;

    /// <summary>Reads the next record; false at the end of the text.</summary>
    public bool TryRead(out RowPlace place, out List<string> fields)
    {
        fields = [];
        while (_at < text.Length && text[_at] is '\r' or '\n')
        {
            EndLine();
        }

        place = new RowPlace(file, _line);
        if (_at == text.Length)
        {
            return false;
        }

        while (true)
        {
            fields.Add(_at < text.Length && text[_at] == '"' ? Quoted() : Plain());
            if (_at == text.Length)
            {
                return true;
            }

            if (text[_at] != delimiter)
            {
                break;
            }

            _at++;
        }
        EndLine();
        return true;
    }

    private string Plain()
    {
        int start = _at;
        int length = text.AsSpan(start).IndexOfAny(_stops);
        _at = length < 0 ? text.Length : start + length;
        if (_at < text.Length && text[_at] == '"')
        {
            throw new RowPlace(file,
                _line).Error("a quote stands inside a field without quotes; put the field in quotes and double the quote");
        }

        return text[start.._at];
    }

    private string Quoted()
    {
        var opened = new RowPlace(file, _line);
        _quoted.Clear();
        _at++;
        while (true)
        {
            int length = text.AsSpan(_at).IndexOf('"');
            if (length < 0)
            {
                throw opened.Error("a quote opens a field and is never closed");
            }

            Append(length);
            _at++;
            if (_at == text.Length || text[_at] != '"')
            {
                break;
            }

            _quoted.Append('"');
            _at++;
        }
        if (_at < text.Length && text[_at] != delimiter && text[_at] is not ('\r' or '\n'))
        {
            throw new RowPlace(file, _line).Error("text follows the closing quote of a field; double the quotes inside a field");
        }

        return _quoted.ToString();
    }

    private void Append(int length)
    {
        var piece = text.AsSpan(_at, length);
        _quoted.Append(piece);
        _line += piece.Count('\n');
        _at += length;
    }

    private void EndLine()
    {
        _at += text[_at] == '\r' && _at + 1 < text.Length && text[_at + 1] == '\n' ? 2 : 1;
        _line++;
    }
}
