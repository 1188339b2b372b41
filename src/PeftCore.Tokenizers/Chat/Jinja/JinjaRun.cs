using System.Runtime.CompilerServices;
using System.Text;

namespace PeftCore.Tokenizers;

/// <summary>One rendering: its output, and what it may still spend. A template is data from outside, so its work is bounded.</summary>
internal sealed class JinjaRun(TimeProvider clock)
{
    private const int MaxSteps = 1_000_000;
    private const int MaxOutput = 4 << 20;
    private const long MaxWork = 12L << 20;
    private const int MaxCalls = 100;
    private int _steps;
    private long _work;
    private int _calls;

    public TimeProvider Clock => clock;

    public StringBuilder Output { get; private set; } = new();

    /// <summary>The ranges of the output that generation blocks wrote, in UTF-16 units.</summary>
    public List<TextSpan> Generated { get; } = [];

    /// <summary>Whether output goes to the final text rather than into a variable.</summary>
    public bool IsMainOutput { get; private set; } = true;

    public void Step()
    {
        RuntimeHelpers.EnsureSufficientExecutionStack();
        if (++_steps > MaxSteps)
        {
            throw JinjaError.Of($"it takes more than {MaxSteps} steps");
        }
    }

    public void Write(string text)
    {
        Output.Append(text);
        if (Output.Length > MaxOutput)
        {
            throw JinjaError.Of($"it writes more than {MaxOutput} characters");
        }
    }

    /// <summary>Writes what a block gives; Jinja takes nothing but strings there.</summary>
    public void WriteText(object? value, string what) => Write(JinjaText.IsText(value)
        ? JinjaText.Str(value)
        : throw JinjaError.Of($"{what} gives {JinjaText.Describe(value)} where a string is needed"));

    /// <summary>Counts characters or items before they are made.</summary>
    public void Spend(long amount)
    {
        _work += amount;
        if (amount > MaxOutput || _work > MaxWork)
        {
            throw JinjaError.Of("it makes values that are too large");
        }
    }

    /// <summary>Counts a text that is looked through, which takes less than making it.</summary>
    public void Read(object? value) => Spend(SizeOf(value) / 128);

    /// <summary>Whether the template has turned on escaping for HTML where it is now.</summary>
    public bool AutoEscape { get; set; }

    public string Made(string text)
    {
        Spend(text.Length);
        return text;
    }

    /// <summary>Counts a value that a filter or function gave; one that it was given costs nothing.</summary>
    public object? Made(object? value, object? given)
    {
        if (!ReferenceEquals(value, given))
        {
            Spend(value is List<object?> list ? list.Count : SizeOf(value));
        }

        return value;
    }

    /// <summary>Runs <paramref name="body"/> and returns what it writes.</summary>
    public string Capture(Action body)
    {
        var (output, main) = (Output, IsMainOutput);
        (Output, IsMainOutput) = (new StringBuilder(), false);
        try
        {
            body();
            return Made(Output.ToString());
        }
        finally
        {
            (Output, IsMainOutput) = (output, main);
        }
    }

    public object? Call(Func<object?> body)
    {
        if (++_calls > MaxCalls)
        {
            throw JinjaError.Of($"its macros and loops call each other more than {MaxCalls} deep");
        }

        object? result = body();
        _calls--;
        return result;
    }

    private static long SizeOf(object? value) => JinjaText.IsText(value) ? JinjaText.Str(value).Length : 0;
}
