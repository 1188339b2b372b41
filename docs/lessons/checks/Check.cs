namespace PeftCore.Lessons;

/// <summary>Runs the check of an exercise and says in a sentence what it found.</summary>
public static class Check
{
    /// <summary>Without --check prints how to check; with it runs the check and prints "right" or what is wrong.</summary>
    /// <param name="args">The arguments of the program.</param>
    /// <param name="lesson">The exercise's name, such as "03-lora".</param>
    /// <param name="right">What a right answer has shown.</param>
    /// <param name="check">Tries the answer; throws <see cref="WrongAnswerException"/> if it is wrong.</param>
    /// <returns>The exit code: 0 if the answer is right or was not checked, else 1.</returns>
    public static int Run(string[] args, string lesson, string right, Action check)
    {
        ArgumentNullException.ThrowIfNull(args);
        ArgumentNullException.ThrowIfNull(check);
        if (!args.Contains("--check"))
        {
            Console.WriteLine($"Read the exercise in this file, fill the gap, and check it: dotnet run "
                + $"docs/lessons/exercises/{lesson}.cs -- --check");
            return 0;
        }
        string? wrong;
        try
        {
            check();
            wrong = null;
        }
        catch (WrongAnswerException found)
        {
            wrong = "wrong: " + found.Message;
        }
        catch (NotImplementedException gap)
        {
            wrong = "not solved yet: " + gap.Message;
        }
        catch (Exception thrown) when (thrown is not OutOfMemoryException)
        {
            wrong = $"wrong: the answer threw {thrown.GetType().Name}: {thrown.Message}";
        }
        Console.WriteLine(wrong ?? "right: " + right);
        return wrong is null ? 0 : 1;
    }

    /// <summary>Fails the check unless a condition holds.</summary>
    /// <param name="holds">Whether the answer is right so far.</param>
    /// <param name="wrong">What is wrong, with numbers.</param>
    public static void That(bool holds, string wrong)
    {
        if (!holds)
        {
            throw new WrongAnswerException(wrong);
        }
    }

    /// <summary>Fails the check unless two lists agree within a tolerance.</summary>
    /// <param name="what">What is compared.</param>
    /// <param name="answer">The answer.</param>
    /// <param name="expected">What it should be.</param>
    /// <param name="tolerance">The largest difference.</param>
    /// <param name="hint">A possible reason, where one is likely.</param>
    public static void Equal(string what, IReadOnlyList<float> answer, IReadOnlyList<float> expected, double tolerance = 1e-4,
        string hint = "")
    {
        ArgumentNullException.ThrowIfNull(answer);
        ArgumentNullException.ThrowIfNull(expected);
        That(answer.Count == expected.Count, $"{what} has {answer.Count} numbers and should have {expected.Count}{hint}");
        for (int i = 0; i < answer.Count; i++)
        {
            That(Math.Abs(answer[i] - expected[i]) <= tolerance * Math.Max(1, Math.Abs(expected[i])),
                $"{what}: number {i} is {answer[i]:0.####} and should be {expected[i]:0.####}{hint}");
        }
    }

    /// <summary>Numbers of a uniform distribution from −1 to 1.</summary>
    /// <param name="count">How many.</param>
    /// <param name="seed">The seed.</param>
    internal static float[] Random(long count, int seed)
    {
        var random = new Random(seed);
        float[] values = new float[count];
        for (int i = 0; i < values.Length; i++)
        {
            values[i] = 2 * random.NextSingle() - 1;
        }
        return values;
    }
}

/// <summary>The answer of an exercise is wrong; the message says how.</summary>
/// <param name="message">What is wrong.</param>
public sealed class WrongAnswerException(string message) : Exception(message);
