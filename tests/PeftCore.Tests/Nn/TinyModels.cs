using PeftCore.Backends;
using PeftCore.Models;
using PeftCore.Nn;
using PeftCore.Peft;
using PeftCore.Peft.Lora;
using PeftCore.Tensors;

namespace PeftCore.Tests.Nn;

/// <summary>Models of a few thousand parameters with seeded random weights, and input batches.</summary>
internal static class TinyModels
{
    public const int Vocabulary = 31;
    public const int Hidden = 16;
    public const int Inner = 24;
    public const int Batch = 2;
    public const int Length = 6;

    public static DecoderSpec LlamaSpec { get; } = new()
    {
        ModelType = "llama",
        VocabularySize = Vocabulary,
        HiddenSize = Hidden,
        IntermediateSize = Inner,
        Layers = 4,
        Heads = 4,
        KeyHeads = 2,
        HeadDim = 4,
        MaxLength = 32,
        Rope = new RopeSpec(10000, new DefaultRope(), 4),
    };

    public static DecoderSpec Gpt2Spec { get; } = PeftCore.Models.Gpt2.Of(Vocabulary, Hidden, Inner, 3, 4, 32);

    public static Decoder Llama(Backend backend, DType dtype = DType.F32) => Filled(new Decoder(LlamaSpec), backend, dtype);

    public static Decoder Gpt2(Backend backend) => Filled(new Decoder(Gpt2Spec), backend, DType.F32);

    /// <summary>LoRA of rank 2 on some modules, with all parameters perturbed from their initial values.</summary>
    public static PeftModel WithLora(TransformerModel model, ModuleSelector targets, double dropout = 0, IReadOnlyList<int>? layers = null)
    {
        var peft = new PeftModel(model);
        peft.AddAdapter(new LoraConfig
        {
            Rank = 2,
            Alpha = 4,
            TargetModules = targets,
            Dropout = dropout,
            LayersToTransform = layers,
            Init = LoraInit.Gaussian,
        });
        ulong stream = 0;
        foreach (var (_, parameter) in peft.Parameters)
        {
            parameter.Value.Backend.FillNormal(parameter.Value, 0, 0.3f, 77, stream++);
        }
        return peft;
    }

    /// <summary>The mean loss of a small batch; the caller's scope frees its tensors.</summary>
    public static Tensor Loss(TransformerModel model, int length = Length)
    {
        var backend = model.OutputLayer!.Weight.Value.Backend;
        int[] ids = [.. Enumerable.Range(0, Batch * length).Select(i => (i * 11 + 3) % Vocabulary)];
        var inputs = ModelInputs.From(backend, ids, Batch);
        return model.Loss(inputs, Targets.FromLabels(backend, ids, Batch));
    }

    private static T Filled<T>(T model, Backend backend, DType dtype) where T : TransformerModel
    {
        ModelLoader.Initialize(model, backend, dtype, seed: 5);
        return model;
    }
}
