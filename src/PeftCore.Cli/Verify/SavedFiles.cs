using System.Text.Json.Nodes;
using PeftCore.Cli.Session;
using PeftCore.Io;
using PeftCore.Peft;

namespace PeftCore.Cli.Verify;

/// <summary>Compares a saved adapter with the reference's files: keys, shapes and dtypes of the weights, fields and values of the
/// configuration.</summary>
internal static class SavedFiles
{
    /// <summary>Lists that the reference writes from a set, in an order that differs between runs.</summary>
    private static readonly HashSet<string> Sets = ["target_modules", "exclude_modules", "modules_to_save", "feedforward_modules"];

    /// <param name="reference">The directory of the reference's files.</param>
    /// <param name="ours">The directory of ours.</param>
    /// <param name="hasGradient">Whether the reference computed a gradient in a module. Adapters of modules without one change nothing, and
    /// need not be saved.</param>
    public static IEnumerable<Comparison> Compare(string reference, string ours, Func<string, bool> hasGradient)
    {
        string keys = Difference(UsualKeys(reference), Keys(ours), key => SavedAdapter.ModulesOf([key.Split(' ')[0]]).All(hasGradient));
        yield return Comparison.Equal("saved.keys", keys.Length == 0, keys.Length == 0 ? null : keys);
        string fields = Difference(Fields(reference), Fields(ours), _ => true);
        yield return Comparison.Equal("saved.config", fields.Length == 0, fields.Length == 0 ? null : fields);
    }

    /// <summary>The reference's keys in our form: other programs' files may contain the adapter's name in keys, and F64, which is read as
    /// F32.</summary>
    private static HashSet<string> UsualKeys(string directory)
    {
        using var usual = new TemporaryDirectory();
        SavedAdapter.Load(directory).Save(usual.FullPath);
        return [.. Keys(usual.FullPath).Select(key => key.Replace(" F64 [", " F32 [", StringComparison.Ordinal))];
    }

    private static HashSet<string> Keys(string directory)
    {
        using var file = WeightSource.OpenFile(Path.Combine(directory, "adapter_model.safetensors"));
        return [.. file.Names.Select(file.Get).Select(entry => $"{entry.Name} {entry.DType} [{string.Join(", ", entry.Shape)}]")];
    }

    private static HashSet<string> Fields(string directory)
    {
        using var document = JsonFile.Read(Path.Combine(directory, "adapter_config.json"));
        return [.. document.RootElement.EnumerateObject()
            .Select(field => $"{field.Name}={Canonical(field.Name, JsonNode.Parse(field.Value.GetRawText()))}")];
    }

    /// <summary>A value as text; an empty list or text equals null.</summary>
    private static string Canonical(string name, JsonNode? value) =>
        value is JsonArray { Count: 0 } || (value is JsonValue text && text.TryGetValue(out string? empty) && empty.Length == 0) ? "null"
        : value is JsonArray list && Sets.Contains(name)
        ? string.Join(",", list.Select(item => item!.ToJsonString()).Order(StringComparer.Ordinal))
        : value?.ToJsonString() ?? "null";

    private static string Difference(HashSet<string> reference, HashSet<string> ours, Func<string, bool> isNeeded)
    {
        var missing = reference.Except(ours).Where(isNeeded).Order(StringComparer.Ordinal).Take(3).Select(item => "missing " + item);
        var extra = ours.Except(reference).Order(StringComparer.Ordinal).Take(3).Select(item => "extra " + item);
        return string.Join("; ", missing.Concat(extra));
    }
}
