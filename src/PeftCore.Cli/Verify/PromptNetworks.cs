using System.Runtime.InteropServices;
using PeftCore.Backends;
using PeftCore.Io;
using PeftCore.Peft;

namespace PeftCore.Cli.Verify;

/// <summary>Loads a fixture whose virtual tokens are computed by a network (P-tuning, projected prefixes). The adapter's file has only the
/// network's output; the network's weights are in expected.safetensors.</summary>
internal static class PromptNetworks
{
    private const string Prefix = "init.";

    public static bool AreIn(Expected expected) =>
        expected.Names.Any(name => name.StartsWith(Prefix + "prompt_encoder.", StringComparison.Ordinal));

    /// <returns>The fixture's configuration.</returns>
    public static PeftConfig Load(PeftModel model, string directory, Expected expected)
    {
        var config = PeftConfig.Load(Path.Combine(directory, PeftConfig.FileName));
        model.AddAdapter(config);
        using var file = WeightSource.OpenFile(Path.Combine(directory, "adapter_model.safetensors"));
        foreach (var (name, parameter) in model.Parameters)
        {
            // A head that the adapter saves is in its file.
            string saved = name.Replace("modules_to_save.default.", "", StringComparison.Ordinal);
            float[] values = expected.Has(Prefix + name) ? expected.Floats(Prefix + name)
                : MemoryMarshal.Cast<byte, float>(file.Get(saved).Bytes).ToArray();
            parameter.Value.Upload(values);
        }
        return config;
    }
}
