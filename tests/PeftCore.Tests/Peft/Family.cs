using PeftCore.Backends;
using PeftCore.Io;
using PeftCore.Models;
using PeftCore.Tensors;

namespace PeftCore.Tests.Peft;

/// <summary>A tiny base model of one family and the names of its modules.</summary>
public sealed record Family(string Name, string Attention, string MlpOutput, string FirstMlp, string Embedding, string LastNorm,
    bool HasBiases)
{
    public static Family Llama { get; } = new("llama", "q_proj", "down_proj", "layers.0.mlp", "embed_tokens", "norm", HasBiases: false);

    public static Family Gpt2 { get; } = new("gpt2", "c_attn", "mlp.c_proj", "h.0.mlp", "wte", "ln_f", HasBiases: true);

    public static IReadOnlyList<Family> All { get; } = [Llama, Gpt2];

    public string Directory => TestFiles.Fixture("hf", Name, "base");

    public TransformerModel Load(Backend backend, DType? dtype = null) => ModelLoader.Load(Directory, backend, dtype);

    /// <summary>The same model without data.</summary>
    public TransformerModel Plan(MetaBackend backend)
    {
        var model = ModelLoader.Declare(ConfigReader.Open(Path.Combine(Directory, "config.json")));
        ModelLoader.Initialize(model, backend, DType.F32);
        return model;
    }

    public override string ToString() => Name;
}
