using PeftCore.Backends;
using PeftCore.Models;
using PeftCore.Models.Generation;
using PeftCore.Nn;
using PeftCore.Peft;
using PeftCore.Peft.Lora;
using PeftCore.Tensors;

namespace PeftCore.Tests.Models.Generation;

/// <summary>Small decoders with some LoRA adapters, and requests with the texts that each has alone.</summary>
internal sealed class BatchedModels : IDisposable
{
    public const int Vocabulary = 67;
    private const int MaxLength = 48;

    /// <param name="transposed">GPT-2, whose weights are stored (in, out), rather than LLaMA.</param>
    /// <param name="adapters">Number of LoRA adapters "0", "1" …</param>
    /// <param name="backend">The device; null for the processor.</param>
    /// <param name="inner">Size of the MLP: sums of more than 1,024 steps by default.</param>
    public BatchedModels(bool transposed, int adapters, Backend? backend = null, int inner = 1100)
    {
        Backend = backend ?? new CpuBackend(2, poison: true);
        var spec = transposed ? Gpt2.Of(Vocabulary, 80, inner, 2, 4, MaxLength) : new DecoderSpec
        {
            ModelType = "llama",
            VocabularySize = Vocabulary,
            HiddenSize = 80,
            IntermediateSize = inner,
            Layers = 2,
            Heads = 4,
            KeyHeads = 2,
            HeadDim = 20,
            MaxLength = MaxLength,
            Rope = new RopeSpec(10000, new DefaultRope(), 20),
        };
        var model = new Decoder(spec);
        ModelLoader.Initialize(model, Backend, DType.F32);
        Perturb(model.NamedParameters().Select(p => p.Parameter), 0.2f, seed: 5);
        Model = new PeftModel(model);
        for (int i = 0; i < adapters; i++)
        {
            Add(new LoraConfig { Rank = 2 + i % 3, Alpha = 3, TargetModules = ModuleSelector.Matching(ModuleSelector.AllLinear) }, $"{i}");
        }
        Model.Freeze();
    }

    public Backend Backend { get; }

    public PeftModel Model { get; }

    public void Add(PeftConfig config, string name)
    {
        Model.AddAdapter(config, name, seed: (ulong)name.GetHashCode(StringComparison.Ordinal) & 0xFF);
        Perturb(Model.Parameters.Select(p => p.Parameter), 0.15f, seed: (ulong)Model.AdapterNames.Count + 10);
    }

    /// <summary>Requests of different lengths, half of them sampled.</summary>
    /// <param name="count">How many.</param>
    /// <param name="adapters">The adapters, which the requests have in turn.</param>
    public static List<Request> Requests(int count, params string[] adapters)
    {
        var random = new Random(count);
        return [.. Enumerable.Range(0, count).Select(i => new Request(
            [.. Enumerable.Range(0, random.Next(1, 9)).Select(_ => random.Next(Vocabulary))],
            new GenerationOptions
            {
                MaxNewTokens = random.Next(1, 12),
                Temperature = i % 2,
                TopK = i % 3 == 0 ? 20 : 0,
                RepetitionPenalty = i % 5 == 0 ? 1.2f : 1,
                Seed = (ulong)i,
            }, adapters[i % adapters.Length]))];
    }

    /// <summary>The tokens of a request alone.</summary>
    public int[] Alone(Request request) => [.. new Generator(Model.Base, Backend)
        .Generate(request.Prompt, request.Options, adapter: request.Adapter).Tokens];

    public void Dispose()
    {
        Model.Unload();
        Model.Base.Dispose();
        Backend.Dispose();
    }

    private void Perturb(IEnumerable<Parameter> parameters, float deviation, ulong seed)
    {
        ulong stream = 0;
        foreach (var parameter in parameters)
        {
            Backend.FillNormal(parameter.Value, parameter.Shape.Rank == 1 ? 1 : 0, deviation, seed, stream++);
        }
    }

    internal sealed record Request(int[] Prompt, GenerationOptions Options, string Adapter);
}
