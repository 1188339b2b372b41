using PeftCore.Fuzz.Inputs;

namespace PeftCore.Fuzz.Engine;

/// <summary>Reads an input and classifies the outcome.</summary>
internal static class Judge
{
    private const int LongestSentence = 1000;

    public static Verdict Try(FuzzSubject subject, FuzzInput input)
    {
        try
        {
            return OfReading(subject.Read(input), input);
        }
        catch (BadInputException e)
        {
            return OfRefusal(e.Message, subject, input);
        }
#pragma warning disable CA1031 // Whatever is thrown is what is looked for.
        catch (Exception e)
#pragma warning restore CA1031
        {
            string? at = e.StackTrace?.Split('\n').Select(line => line.Trim())
                .FirstOrDefault(line => line.StartsWith("at PeftCore.", StringComparison.Ordinal));
            return new Verdict(Outcome.Crash, $"{e.GetType().Name} {at?.Split(" in ")[0]}", e.ToString());
        }
    }

    private static Verdict OfReading(Reading reading, FuzzInput input)
    {
        if (reading.Difference is { } difference)
        {
            return new Verdict(Outcome.Silent, $"{input.Rule}: {difference.Split(':')[0]}", difference);
        }
        string warnings = string.Join(" | ", reading.Warnings);
        bool named = input.Names.Any(name => warnings.Contains(name, StringComparison.Ordinal));
        return input.Expectation switch
        {
            Expectation.Refuse => new Verdict(Outcome.Silent, input.Rule, $"malformed, but read; warnings: {warnings}"),
            Expectation.RefuseOrWarn when !named =>
                new Verdict(Outcome.Silent, input.Rule, $"no warning names {string.Join(" or ", input.Names)}; warnings: {warnings}"),
            _ => new Verdict(reading.Warnings.Count > 0 ? Outcome.Warned : Outcome.Accepted, input.Rule, warnings),
        };
    }

    private static Verdict OfRefusal(string message, FuzzSubject subject, FuzzInput input)
    {
        string? unclear = message.Length == 0 ? "it is empty"
            : message.Length > LongestSentence ? $"it has more than {LongestSentence} characters"
            : message.AsSpan().IndexOfAny("\n\r\0") >= 0 ? "it holds a line end or a null character"
            : subject.NamesFiles && !message.Contains(subject.Directory, StringComparison.Ordinal) ? "it names no file"
            : null;
        return input.Expectation == Expectation.Accept ? new Verdict(Outcome.WronglyRefused, input.Rule, message)
            : unclear is not null ? new Verdict(Outcome.Unclear, $"{unclear} ({input.Rule})", message)
            : new Verdict(Outcome.Refused, input.Rule, message);
    }
}
