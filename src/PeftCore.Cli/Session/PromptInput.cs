using System.Text;
using PeftCore.Cli.Options;
using PeftCore.Cli.Output;
using PeftCore.Io;

namespace PeftCore.Cli.Session;

/// <summary>The prompt of generate: --prompt, or standard input if that is "-", or if there is no --prompt and standard input is a file
/// or a pipe.</summary>
internal static class PromptInput
{
    /// <summary>The value of --prompt that stands for standard input.</summary>
    public const string Standard = "-";

    /// <summary>The options with the prompt of standard input, if --prompt names it.</summary>
    /// <exception cref="BadInputException">Standard input is empty or is not UTF-8.</exception>
    public static SamplingOptions Resolve(SamplingOptions options, Terminal terminal) => options.Prompt != Standard ? options
        : options with { Prompt = ReadAll(terminal) ?? throw new BadInputException("--prompt is \"-\", but standard input is empty.") };

    /// <summary>The prompt that a text goes on from.</summary>
    /// <exception cref="BadInputException">There is none.</exception>
    public static string Required(SamplingOptions options, Terminal terminal) => options.Prompt
        ?? (terminal.InputIsPiped ? ReadAll(terminal) : null)
        ?? throw new BadInputException("expected --prompt TEXT, the text to go on from, or the text on standard input.");

    /// <summary>Standard input without its last line break, which echo and editors add; null if nothing is left.</summary>
    private static string? ReadAll(Terminal terminal)
    {
        string text = Read(() => terminal.Input.ReadToEnd());
        text = text.EndsWith("\r\n", StringComparison.Ordinal) ? text[..^2] : text.EndsWith('\n') ? text[..^1] : text;
        return text.Length == 0 ? null : text;
    }

    /// <summary>Reads standard input.</summary>
    /// <exception cref="BadInputException">It cannot be read, or is not UTF-8.</exception>
    public static T Read<T>(Func<T> read)
    {
        try
        {
            return read();
        }
        catch (DecoderFallbackException e)
        {
            throw new BadInputException("standard input is not valid UTF-8; convert it, for example with iconv.", e);
        }
        catch (Exception e) when (FileErrors.IsFileError(e))
        {
            throw new BadInputException($"standard input cannot be read: {e.Message.TrimEnd('.', ' ')}.", e);
        }
    }
}
