using System.Text;

namespace PeftCore;

/// <summary>Input from outside (a file, a configuration, a flag) that cannot be used. The message is one sentence for the user:
/// what was found, where, what was expected, and the way out. What it quotes may hold anything, so line ends become spaces, control
/// characters are written as escapes, and of a very long message the middle is left out.</summary>
public class BadInputException : Exception
{
    private const int LongestMessage = 1000, Head = 600, Tail = 300;

    /// <summary>Creates the exception with its one-sentence message.</summary>
    public BadInputException(string message) : base(OneLine(message)) { }

    /// <summary>Creates the exception with its one-sentence message and the error that led to it.</summary>
    public BadInputException(string message, Exception inner) : base(OneLine(message), inner) { }

    private static string OneLine(string message)
    {
        if (message.AsSpan().IndexOfAnyInRange('\0', '\u001F') >= 0)
        {
            message = WithoutControls(message);
        }
        return message.Length <= LongestMessage ? message : $"{message.AsSpan(0, Head)} … {message.AsSpan(message.Length - Tail)}";
    }

    private static string WithoutControls(string message)
    {
        var line = new StringBuilder(message.Length);
        for (int i = 0; i < message.Length; i++)
        {
            char c = message[i];
            if (c is '\n' or '\r')
            {
                // A line end is dropped with the white space around it, so that indented text reads as one line.
                while (line.Length > 0 && line[^1] == ' ')
                {
                    line.Length--;
                }
                while (i + 1 < message.Length && message[i + 1] is ' ' or '\t' or '\n' or '\r')
                {
                    i++;
                }
                line.Append(' ');
            }
            else if (c < ' ')
            {
                line.Append(System.Globalization.CultureInfo.InvariantCulture, $"\\u{(int)c:x4}");
            }
            else
            {
                line.Append(c);
            }
        }
        return line.ToString();
    }
}
