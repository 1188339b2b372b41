using System.Buffers;

namespace PeftCore.Peft;

/// <summary>Checks names of adapters. A name becomes that of a directory when the adapter is saved, so it must be valid on every operating
/// system.</summary>
internal static class AdapterName
{
    private const int Longest = 128;

    private static readonly SearchValues<char> Refused = SearchValues.Create("/\\:*?\"<>|");

    /// <exception cref="BadInputException">The name is invalid or taken.</exception>
    public static void Check(string name, IReadOnlyCollection<string> taken)
    {
        string? problem = name switch
        {
            "" => "a name needs at least one character",
            PeftModel.NoAdapter => "this stands for the base in a mixed batch",
            PeftConfig.FileName or AdapterDirectory.WeightsName => "a file of a saved adapter has this name",
            "." or ".." => "it is saved in a directory of its name, and this one is taken",
            _ when name.Length > Longest => $"a name has at most {Longest} characters",
            _ when name.Any(char.IsControl) || name.AsSpan().IndexOfAny(Refused) >= 0 =>
                "it is saved in a directory of its name, so it cannot have control characters or any of / \\ : * ? \" < > |",
            _ when name != name.Trim() || name.EndsWith('.') =>
                "it is saved in a directory of its name, which cannot begin or end with a space or end with a dot",
            _ when taken.Contains(name) => "there is one of this name already; delete it first or choose another name",
            _ => null,
        };
        if (problem is not null)
        {
            throw new BadInputException($"an adapter cannot be called \"{name}\": {problem}");
        }
    }
}
