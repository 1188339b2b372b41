using System.Text;
using Microsoft.Extensions.AI;

namespace PeftCore.Extensions.AI.Chat;

/// <summary>Separates the tool calls of a streamed answer from its text. Text that may become a marker, and white space that may stand
/// before one, is held back until it is known.</summary>
/// <param name="format">How calls are written.</param>
/// <param name="tools">The tools of the request.</param>
internal sealed class ToolCallReader(ToolCallFormat format, IReadOnlyList<AIFunctionDeclaration> tools)
{
    private readonly StringBuilder _held = new();
    private bool _isInside;

    /// <summary>Whether a call was found.</summary>
    public bool HasCalls { get; private set; }

    /// <summary>Whether there was something between markers that is no call; it is given as text.</summary>
    public bool HasBadCall { get; private set; }

    /// <summary>Adds a piece of the answer; returns the contents that are certain now.</summary>
    public IEnumerable<AIContent> Append(string piece)
    {
        _held.Append(piece);
        return format.Open is null ? HoldWhole() : Separate(isEnd: false);
    }

    /// <summary>The contents that were held back, at the end of the answer.</summary>
    public IEnumerable<AIContent> Finish()
    {
        if (format.Open is not null)
        {
            return Separate(isEnd: true);
        }
        string text = Take(_held.Length);
        return Calls(text) ?? TextOf(text);
    }

    /// <summary>An answer that begins like a call is held back until its end.</summary>
    private IEnumerable<AIContent> HoldWhole()
    {
        string start = _held.ToString().TrimStart();
        return start.Length == 0 || start[0] is '{' or '<' ? [] : TextOf(Take(_held.Length));
    }

    private List<AIContent> Separate(bool isEnd)
    {
        List<AIContent> contents = [];
        while (_held.Length > 0)
        {
            string text = _held.ToString();
            string? marker = _isInside ? format.Close : format.Open;
            int at = marker is null ? -1 : text.IndexOf(marker, StringComparison.Ordinal);
            if (at < 0 && !isEnd)
            {
                contents.AddRange(_isInside ? [] : TextOf(Take(text.Length - UncertainEnd(text, marker!))));
                return contents;
            }
            string before = Take(at < 0 ? text.Length : at);
            Take(at < 0 ? 0 : marker!.Length);
            contents.AddRange(_isInside ? Inside(before, isClosed: at >= 0) : TextOf(at < 0 ? before : before.TrimEnd()));
            _isInside = at >= 0 && !_isInside;
        }
        return contents;
    }

    private IEnumerable<AIContent> Inside(string text, bool isClosed)
    {
        if (Calls(text) is { } calls)
        {
            return calls;
        }
        HasBadCall = true;
        return TextOf(format.Open + text + (isClosed ? format.Close : ""));
    }

    private IEnumerable<AIContent>? Calls(string text)
    {
        var calls = format.Read(text, tools);
        HasCalls |= calls is not null;
        return calls?.Select(call => call.ToContent()).ToArray();
    }

    /// <summary>Characters at the end that may be the beginning of a marker, and white space before it.</summary>
    private static int UncertainEnd(string text, string marker)
    {
        int length = Math.Min(marker.Length - 1, text.Length);
        while (length > 0 && !marker.StartsWith(text[^length..], StringComparison.Ordinal))
        {
            length--;
        }
        return text.Length - text[..^length].TrimEnd().Length;
    }

    private string Take(int length)
    {
        string text = _held.ToString(0, length);
        _held.Remove(0, length);
        return text;
    }

    private static IEnumerable<AIContent> TextOf(string text) => text.Length == 0 ? [] : [new TextContent(text)];
}
