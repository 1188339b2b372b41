using PeftCore.Peft;
using PeftCore.Peft.Bottlenecks;
using PeftCore.Peft.Ia3;
using PeftCore.Peft.Lora;
using PeftCore.Peft.Prompts;
using PeftCore.Peft.Selective;
using PeftCore.Peft.Sparse;

namespace PeftCore.Tests.Peft;

/// <summary>A method with its settings on any family, and the properties that it does not support.</summary>
/// <param name="Name">Name in test reports.</param>
/// <param name="Config">Creates the configuration for a family.</param>
public sealed record MethodCase(string Name, Func<Family, PeftConfig> Config)
{
    /// <summary>Whether a new adapter starts as the identity.</summary>
    public bool StartsAsBase => Config(Family.Llama).StartsAsBase;

    /// <summary>Whether rows of one batch may use different adapters.</summary>
    public bool MixesRows { get; init; } = true;

    /// <summary>The families that have something to train for the method.</summary>
    public Func<Family, bool> Fits { get; init; } = _ => true;

    /// <summary>Whether a file holds the exact bits of the parameters.</summary>
    public bool SavesExactly { get; init; } = true;

    /// <summary>The families on which the adapter can be merged.</summary>
    public Func<Family, bool> Merges { get; init; } = _ => true;

    public override string ToString() => Name;
}

/// <summary>Every method with the settings that matter. The settings of each fixture are cases by themselves, so all properties of a
/// registered method with a fixture are tested without a line here.</summary>
internal static partial class MethodCases
{
    public static IEnumerable<TestFixtureData> OnAllFamilies =>
        from pair in Pairs select new TestFixtureData(pair.Method, pair.Family);

    /// <summary>One setting of each kind of method: of layers, of embeddings and heads, of prompts, of residuals and of the model's own
    /// parameters.</summary>
    private static readonly string[] OfEachKind =
    [
        "ia3 by default", "dora with dropout", "all biases", "saved head", "saved norm", "embedding", "all linear",
        "oft, constrained, with drops",
        "prompt from the vocabulary", "prefix from zeros", "double_seq_bn", "last layers and head", "everything", "bitfit", "ln tuning by default",
        "trainable tokens alone", "sparse by chance on some",
    ];

    private static IEnumerable<(MethodCase Method, Family Family)> Pairs =>
        from method in All
        from family in OfEachKind.Contains(method.Name) ? [.. Family.All, .. Family.Others] : Family.All
        where method.Fits(family) && Applies(method.Name, family)
        select (method, family);

    /// <summary>Whether a family has what the setting changes: tokens, a place for virtual ones, or one for keys before theirs.</summary>
    private static bool Applies(string method, Family family) => method switch
    {
        "embedding" or "trainable tokens alone" => family.ReadsTokens,
        "prompt from the vocabulary" => family.TakesPrompts,
        "prefix from zeros" => family.ReadsTokens && family != Family.LayoutLmV3,
        "double_seq_bn" or "last layers and head" => family != Family.UNet, // It has no blocks of one size.
        _ => true,
    };

    private static readonly string[] Written =
    [
        // The tokens of its fixture do not occur in the tests' batch.
        "TRAINABLE_TOKENS",
        // LoRA's fixtures are subsets of what is written out below; RandLoRA's has a scale under which the noise these tests add drowns the
        // base.
        "LORA", "RANDLORA",
    ];

    public static IReadOnlyList<MethodCase> All { get; } =
    [
        .. FromFixtures(),
        .. Deltas(),
        Lora("lora", f => new()),
        Lora("rslora", f => new() { UseRsLora = true, Alpha = 3 }),
        Lora("dora", f => new() { UseDora = true }),
        Lora("dora with dropout", f => new() { UseDora = true, Dropout = 0.3 }),
        Lora("dora on embeddings", f => new() { UseDora = true, TargetModules = ModuleSelector.Of(f.Attention, f.Embedding) }),
        Lora("dora on pissa", f => new() { UseDora = true, Init = LoraInit.Pissa }),
        Lora("dropout", f => new() { Dropout = 0.5 }),
        Lora("all biases", f => new() { Bias = BiasMode.All }) with { MixesRows = false },
        Lora("biases of targets", f => new() { Bias = BiasMode.LoraOnly }) with { MixesRows = false },
        Lora("lora bias", f => new() { LoraBias = true }) with { Merges = f => f.HasBiases },
        Lora("lora bias and all biases", f => new() { LoraBias = true, Bias = BiasMode.All }) with { Merges = f => f.HasBiases,
            MixesRows = false },
        Lora("saved head", f => new() { ModulesToSave = [f.Head] }) with { MixesRows = false },
        Lora("saved norm", f => new() { ModulesToSave = [f.LastNorm] }) with { MixesRows = false },
        Lora("saved block", f => new() { ModulesToSave = [f.FirstMlp, f.MlpOutput], Bias = BiasMode.All,
            TargetModules = ModuleSelector.Of(f.Attention, f.MlpOutput) }) with { MixesRows = false },
        Lora("embedding", f => new() { TargetModules = ModuleSelector.Of(f.Attention, f.Embedding) }),
        Lora("embedding and head", f => new() { TargetModules = ModuleSelector.Of(f.Embedding, f.Head) }),
        Lora("patterns", f => new() { TargetModules = ModuleSelector.Of(f.Attention, f.MlpOutput), RankPattern = [new(f.MlpOutput, 2)],
            AlphaPattern = [new(f.Attention, 16)] }),
        Lora("one layer", f => new() { LayersToTransform = [1] }),
        Lora("regex", f => new() { TargetModules = ModuleSelector.Matching(@".*\.1\..*(" + f.Attention + "|" + f.MlpOutput.Split('.')[^1] +
            ")$") }),
        Lora("exclude", f => new() { TargetModules = ModuleSelector.Matching("all-linear"),
            ExcludeModules = ModuleSelector.Of(f.MlpOutput) }),
        Lora("trainable tokens", f => new() { TrainableTokens = new Dictionary<string, IReadOnlyList<int>> { [f.Embedding] = [5, 9, 3] } }),
        Lora("gaussian", f => new() { Init = LoraInit.Gaussian }),
        Lora("pissa", f => new() { Init = LoraInit.Pissa, UseRsLora = true }),
        Lora("olora", f => new() { Init = LoraInit.Olora, TargetModules = ModuleSelector.Matching("all-linear") }),
        Lora("loftq", f => new() { Init = LoraInit.Loftq, LoftqIterations = 2 }) with { MixesRows = false },
        Lora("random", f => new() { Init = LoraInit.Random }),
        Lora("all linear", f => new() { TargetModules = ModuleSelector.Matching("all-linear") }),
        Prompt("prompt from the vocabulary", new PromptTuningConfig { NumVirtualTokens = 3, Init = PromptInit.SampleVocab }),
        Prompt("multitask prompts", new MultitaskPromptTuningConfig { NumVirtualTokens = 4, NumTasks = 1, NumRanks = 2 }),
        Prompt("deep lstm with dropout", new PTuningConfig
        {
            NumVirtualTokens = 3, EncoderReparameterizationType = PromptNetwork.Lstm, EncoderHiddenSize = 6, EncoderNumLayers = 2,
            EncoderDropout = 0.3,
        }),
        new("prompt and saved head", f => new PromptTuningConfig { NumVirtualTokens = 2, ModulesToSave = [f.Head] })
        {
            MixesRows = false, Merges = _ => false,
        },
        new("ln tuning of other layers",
            f => new LnTuningConfig { TargetModules = ModuleSelector.Of(f.Embedding, f.Attention, f.LastNorm) }),
        Prompt("prefix from zeros", new PrefixTuningConfig { NumVirtualTokens = 2, InitZero = true }),
        Bottlenecks("seq_bn", BottleneckConfig.SeqBn with { ReductionFactor = 4 }),
        Bottlenecks("double_seq_bn", BottleneckConfig.DoubleSeqBn with { ReductionFactor = 4 }),
        Bottlenecks("par_bn", BottleneckConfig.ParBn),
        Bottlenecks("bottleneck with everything", BottleneckConfig.DoubleSeqBn with
        {
            ReductionFactor = 8, ReductionFactors = new Dictionary<int, double> { [1] = 2 }, NonLinearity = "gelu", OriginalLnBefore = true,
            LnBefore = true, LnAfter = true,
            InitWeights = BottleneckInit.Houlsby, Scaling = BottleneckScaling.Learned, UseGating = true,
            ResidualBeforeLn = BottleneckResidual.PostAdd, Dropout = 0.2,
        }),
        Bottlenecks("bottleneck with a scale for each channel", BottleneckConfig.SeqBn with { Scaling = BottleneckScaling.Channel,
            LeaveOut = [0], LnAfter = true, AdapterResidualBeforeLn = true, ReductionFactor = 2 }),
        new("last layer", _ => new LastLayersConfig()) { MixesRows = false },
        new("last layers and head", _ => new LastLayersConfig { NumTrainedLayers = 2, TrainLastNorm = false,
            TrainHead = true }) { MixesRows = false },
        new("head alone", _ => new HeadConfig()) { MixesRows = false },
        new("everything", _ => new FullConfig()) { MixesRows = false },
        new("bitfit", _ => new BitFitConfig()) { MixesRows = false, Fits = family => family.HasBiases },
        new("bitfit on some", f => new BitFitConfig { TargetModules = ModuleSelector.Of(f.Attention) }) { MixesRows = false,
            Fits = family => family.HasBiases },
        new("sparse in every tensor", _ => new SparseConfig { Density = 0.05, Criterion = SelectionCriterion.Random,
            Scope = SelectionScope.Tensor }),
        new("sparse by chance on some", f => new SparseConfig { Density = 0.03, Criterion = SelectionCriterion.Random,
            Scope = SelectionScope.Tensor, RefineEvery = 2, TargetModules = ModuleSelector.Of(f.Attention, f.MlpOutput) }),
        new("trainable tokens alone", _ => new TrainableTokensConfig { TokenIndices = [5, 9, 3] }),
        new("ia3 by default", _ => new Ia3Config()),
        new("ln tuning by default", _ => new LnTuningConfig()),
    ];

    private static MethodCase Bottlenecks(string name, BottleneckConfig config) => new(name, _ => config) { Merges = _ => false };

    private static MethodCase Prompt(string name, PromptLearningConfig config) => new(name, _ => config) { Merges = _ => false };

    /// <summary>The configurations of the fixtures, with the family's own layers where the fixture names another family's.</summary>
    private static IEnumerable<MethodCase> FromFixtures()
    {
        foreach (string directory in Directory.GetDirectories(TestFiles.Fixture("hf", "llama")).Order(StringComparer.Ordinal))
        {
            string name = Path.GetFileName(directory), path = Path.Combine(directory, PeftConfig.FileName);
            if (File.Exists(path) && !Written.Contains(PeftConfig.Load(path).PeftType))
            {
                yield return new MethodCase(name, family => Load(family, name))
                {
                    Merges =
                    _ => PeftConfig.Load(path) is not PromptLearningConfig
                };
            }
        }
    }

    private static PeftConfig Load(Family family, string name)
    {
        string own = TestFiles.Fixture("hf", family.Name, name, PeftConfig.FileName);
        if (File.Exists(own))
        {
            return PeftConfig.Load(own);
        }
        var config = PeftConfig.Load(TestFiles.Fixture("hf", "llama", name, PeftConfig.FileName));
        return config is TargetedConfig targeted ? targeted with { TargetModules = ModuleSelector.Of(family.Attention) } : config;
    }

    private static MethodCase Lora(string name, Func<Family, LoraConfig> config) => new(name, family =>
    {
        var chosen = config(family);
        return chosen with { Rank = 4, TargetModules = chosen.TargetModules ?? ModuleSelector.Of(family.Attention) };
    });
}
