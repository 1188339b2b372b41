using PeftCore.Backends;

namespace PeftCore.Cli.Verify;

/// <summary>Recomputes the reference's numbers, directory by directory.</summary>
/// <param name="backend">The device that computes.</param>
/// <param name="baseModel">Base model of adapters; null for the path in their configuration, relative to them.</param>
/// <param name="warn">Receives a sentence for each contradiction in a model's files.</param>
internal sealed class FixtureVerifier(Backend backend, string? baseModel = null, Action<string>? warn = null)
{
    public const string ExpectedName = "expected.safetensors";

    /// <summary>Finds the fixture directories below a directory.</summary>
    public static IReadOnlyList<string> Find(string directory)
    {
        if (!Directory.Exists(directory))
        {
            throw new BadInputException($"{directory}: there is no such directory");
        }
        var found = Directory.EnumerateFiles(directory, ExpectedName, SearchOption.AllDirectories)
            .Concat(Directory.EnumerateFiles(directory, "cases.json", SearchOption.AllDirectories))
            .Select(path => Path.GetDirectoryName(path)!).Distinct().Order(StringComparer.Ordinal).ToList();
        return found.Count > 0 ? found
            : throw new BadInputException($"{directory}: nothing to verify: no {ExpectedName} and no cases.json below it");
    }

    /// <summary>The comparisons of one directory. A quantity that cannot be computed fails, with the reason.</summary>
    public IEnumerable<Comparison> Verify(string directory)
    {
        string name = string.Join('/', Path.GetFullPath(directory).Split(Path.DirectorySeparatorChar).TakeLast(2));
        List<Comparison> quantities = [];
        try
        {
            if (File.Exists(Path.Combine(directory, "cases.json")))
            {
                quantities.AddRange(TokenizerCheck.Verify(directory));
            }
            else
            {
                using var expected = new Expected(Path.Combine(directory, ExpectedName));
                quantities.AddRange(Check(directory, expected));
            }
        }
        catch (BadInputException e)
        {
            quantities.Add(Comparison.Unsupported("", e.Message));
        }
        catch (Exception e) when (e is not OperationCanceledException)
        {
            // A fault of ours in one directory must not hide what the others show.
            quantities.Add(Comparison.Unsupported("", $"{e.GetType().Name}: {e.Message}; this should not happen"));
        }
        return quantities.Select(quantity => quantity with { Name = quantity.Name.Length == 0 ? name : name + "  " + quantity.Name });
    }

    private IEnumerable<Comparison> Check(string directory, Expected expected)
    {
        if (expected.Has(PreprocessingCheck.Image) && expected.Has(PreprocessingCheck.Wave))
        {
            return new PreprocessingCheck(directory, expected).Run();
        }
        if (!File.Exists(Path.Combine(directory, "adapter_config.json")))
        {
            return QuantizedCheck.Fits(directory) && !expected.Has("loss") ? new QuantizedCheck(backend, directory, expected, warn).Run()
                : new BaseCheck(backend, directory, expected, warn).Run();
        }
        return expected.Has("losses")
            ? new RunCheck(backend, directory, expected, baseModel, warn).Run()
            : new AdapterCheck(backend, directory, expected, baseModel, warn).Run();
    }
}
