using PeftCore.Peft;
using PeftCore.Peft.AdaLora;
using PeftCore.Peft.Boft;
using PeftCore.Peft.C3a;
using PeftCore.Peft.FourierFt;
using PeftCore.Peft.Hra;
using PeftCore.Peft.LoHa;
using PeftCore.Peft.LoKr;
using PeftCore.Peft.Miss;
using PeftCore.Peft.Oft;
using PeftCore.Peft.RandLora;
using PeftCore.Peft.Shira;
using PeftCore.Peft.VbLora;
using PeftCore.Peft.Vera;

namespace PeftCore.Tests.Peft;

internal static partial class MethodCases
{
    /// <summary>Settings of the other weight deltas that no fixture has.</summary>
    private static IEnumerable<MethodCase> Deltas() =>
    [
        Of("vera on layers of two shapes, drawn again", f => new VeraConfig { Rank = 6, SaveProjection = false, ProjectionKey = 5,
            TargetModules = On(f) }),
        Of("vera with dropout and biases", f => new VeraConfig { Rank = 6, Dropout = 0.3, Bias = BiasMode.All,
            TargetModules = On(f) }) with { MixesRows = false },
        Of("adalora with dropout", f => new AdaLoraConfig { InitialRank = 4, TotalSteps = 10, Dropout = 0.3, ModulesToSave = [f.LastNorm],
            TargetModules = On(f) }) with { MixesRows = false },
        Of("loha with patterns and drops", f => new LoHaConfig { Rank = 3, RankDropout = 0.3, ModuleDropout = 0.1,
            RankPattern = [new(f.MlpOutput, 2)], TargetModules = On(f) }),
        Of("lokr, both factored", f => new LoKrConfig { Rank = 1, DecomposeBoth = true, RankDropout = 0.2, RankDropoutScale = true,
            TargetModules = On(f) }),
        Of("lokr as lycoris starts it", f => new LoKrConfig { Rank = 8, DecomposeFactor = 2, Init = LoKrInit.Lycoris,
            TargetModules = On(f) }),
        Of("oft, number of blocks, shared", f => new OftConfig { Rank = 4, BlockSize = 0, BlockShare = true, TargetModules = On(f) }),
        Of("oft, constrained, with drops", f => new OftConfig { BlockSize = 8, Constrained = true, Epsilon = 0.4, ModuleDropout = 0.5,
            UseCayleyNeumann = false, TargetModules = On(f) }),
        Of("boft, one factor", f => new BoftConfig { BlockSize = 0, BlockCount = 4, Dropout = 0.3, TargetModules = On(f) }),
        Of("boft, three factors", f => new BoftConfig { BlockSize = 4, ButterflyFactors = 3,
            TargetModules = ModuleSelector.Of(f.Attention) }),
        Of("hra, odd, orthogonal", f => new HraConfig { Rank = 3, ApplyGramSchmidt = true, TargetModules = On(f) }),
        Of("shira on two shapes", f => new ShiraConfig { Rank = 1, TargetModules = On(f) }),
        Of("fourierft from zero, with a pattern", f => new FourierFtConfig { Frequencies = 12, InitWeights = true,
            FrequencyPattern = [new(f.MlpOutput, 7)], TargetModules = On(f) }),
        Of("vblora that saves its choice alone", f => new VbLoraConfig { Rank = 2, Vectors = 6, VectorLength = 8, TopK = 3,
            SaveOnlyTopK = true, Dropout = 0.2, TargetModules = On(f) }) with { SavesExactly = false },
        Of("randlora", f => new RandLoraConfig { Rank = 4, Alpha = 4, ProjectionKey = 3, TargetModules = ModuleSelector.Of(f.Attention) }),
        Of("randlora, sparse, on two shapes", f => new RandLoraConfig { Rank = 5, Alpha = 4, Sparse = true, Dropout = 0.2,
            TargetModules = On(f) }),
        Of("randlora, very sparse, drawn again", f => new RandLoraConfig { Rank = 6, Alpha = 4, VerySparse = true, SaveProjection = false,
            TargetModules = On(f) }),
        Of("c3a from zero", f => new C3aConfig { BlockSize = 4, Init = C3aInit.Zero, BlockSizePattern = [new(f.Attention, 16)],
            TargetModules = On(f) }),
        Of("miss with short pieces and dropout", f => new MissConfig { Rank = 6, Dropout = 0.3, TargetModules = On(f) }),
        Of("miss, mini", f => new MissConfig { Rank = 4, MiniRank = 8, Form = MissForm.Mini, TargetModules = On(f) }),
        Of("miss, bat", f => new MissConfig { Rank = f == Family.Gpt2 ? 5 : 8, Form = f == Family.Gpt2 ? MissForm.Balance : MissForm.Bat,
            TargetModules = On(f) }),
    ];

    private static ModuleSelector On(Family family) => ModuleSelector.Of(family.Attention, family.MlpOutput);

    private static MethodCase Of(string name, Func<Family, PeftConfig> config) => new(name, config);
}
