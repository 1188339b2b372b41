using PeftCore.Backends;
using PeftCore.Nn;
using PeftCore.Peft;
using PeftCore.Peft.Lora;
using PeftCore.Tensors;

namespace PeftCore.Cli.Verify;

/// <summary>Loads a fixture's adapter. For initialisations that subtract s·B·A from the base weights (PiSSA, OLoRA) the fixture has the
/// residual weights, with the rounding of the reference's single-precision factorisation. Ours are compared with them; then the adapter
/// runs as a plain LoRA on the fixture's residual weights.</summary>
internal sealed class ChangedBase(Backend backend, string directory, Expected expected)
{
    private readonly Tolerances _tolerances = Tolerances.Of(backend);
    private const string Prefix = "init.base_model.model.";
    private const string Residual = ".base_layer.weight";

    /// <returns>The fixture's configuration.</returns>
    public PeftConfig Load(PeftModel model, List<Comparison> results)
    {
        var config = PeftConfig.Load(Path.Combine(directory, PeftConfig.FileName));
        if (config is not LoraConfig { Init: LoraInit.Pissa or LoraInit.Olora } lora)
        {
            model.Load(directory, trainable: true);
            return config;
        }
        var paths = expected.Names.Where(name => name.StartsWith(Prefix, StringComparison.Ordinal)
            && name.EndsWith(Residual, StringComparison.Ordinal))
            .Select(name => name[Prefix.Length..^Residual.Length]).ToList();
        model.AddAdapter(lora);
        double scale = lora.UseRsLora ? lora.Alpha / Math.Sqrt(lora.Rank) : lora.Alpha / lora.Rank;
        results.AddRange(paths.Select(path => Compare(model, path, scale)));
        model.Unload();
        foreach (string path in paths)
        {
            Layer(model, path).Weight.Value.Upload(expected.Floats(Prefix + path + Residual));
        }
        model.AddAdapter(lora with { Init = LoraInit.Default });
        model.Reload(directory);
        return config;
    }

    /// <summary>Compares W − s·B·A, from our initial A and B, with the reference's residual.</summary>
    private Comparison Compare(PeftModel model, string path, double scale)
    {
        var layer = Layer(model, path);
        float[] a = Values(model, path + ".lora_A."), b = Values(model, path + ".lora_B.");
        float[] residual = layer.Weight.Value.ToArray<float>();
        int r = a.Length / layer.Inputs;
        for (int o = 0; o < layer.Outputs; o++)
        {
            for (int i = 0; i < layer.Inputs; i++)
            {
                double sum = 0;
                for (int k = 0; k < r; k++)
                {
                    sum += (double)b[o * r + k] * a[k * layer.Inputs + i];
                }
                residual[layer.Transposed ? i * layer.Outputs + o : o * layer.Inputs + i] -= (float)(scale * sum);
            }
        }
        string name = Prefix + path + Residual;
        return new Comparison(name, expected.Error(name, residual), _tolerances.Gradients);
    }

    /// <summary>A layer by its path. Those in the fixture have a LoRA with factors of a weight, so they are linear.</summary>
    private static Linear Layer(PeftModel model, string path) => (Linear)model.Base.Find(path)!;

    private static float[] Values(PeftModel model, string part) =>
        model.Parameters.Single(p => p.Name.Contains(part, StringComparison.Ordinal)).Parameter.Value.ToArray<float>();
}
