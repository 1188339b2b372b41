using PeftCore.Peft;
using PeftCore.Backends;

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
        foreach (var (name, parameter) in model.Parameters)
        {
            float[] values = expected.Floats(Prefix + name);
            parameter.Value.Upload(values);
        }
        return config;
    }
}
