using PeftCore.Fuzz.Inputs;

namespace PeftCore.Fuzz.Engine;

/// <summary>Saves failing inputs as files, a few of each group.</summary>
internal sealed class FailureFiles(string output)
{
    private const int MostOfASort = 2;

    public string Keep(string kind, Verdict verdict, long index, FuzzInput input, int like)
    {
        string directory = Path.Combine(output, $"{kind}-{index}");
        if (like < MostOfASort)
        {
            Directory.CreateDirectory(directory);
            foreach (var file in input.Files)
            {
                File.WriteAllBytes(Path.Combine(directory, file.Name), file.Bytes);
            }
            File.WriteAllText(Path.Combine(directory, "what.txt"), Describe(verdict, input));
        }
        return directory;
    }

    public static string Describe(Verdict verdict, FuzzInput input) =>
        $"rule: {input.Rule}\ncontext: {input.Context}\nexpected: {input.Expectation} {string.Join(", ", input.Names)}\noutcome: " +
        $"{verdict.Outcome}, {verdict.Signature}\n{verdict.Detail}\n";
}
