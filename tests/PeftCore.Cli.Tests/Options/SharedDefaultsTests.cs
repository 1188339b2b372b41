using System.Reflection;
using PeftCore.Cli.Options;
using PeftCore.Data;
using PeftCore.Models.Generation;
using PeftCore.Peft.Lora;
using PeftCore.Training;

namespace PeftCore.Cli.Tests.Options;

/// <summary>The tool and the library have the same defaults: a run by flags is a run by the library's options.</summary>
public sealed class SharedDefaultsTests
{
    // Options of the library under another name in the tool.
    private static readonly Dictionary<string, string> Renamed = new()
    {
        ["OutputDirectory"] = "OutputDir", ["ResumeFrom"] = "ResumeFromCheckpoint", ["Epochs"] = "NumEpochs", ["Schedule"] = "LrSchedulerType",
        ["Rank"] = "LoraR", ["Alpha"] = "LoraAlpha", ["Dropout"] = "LoraDropout", ["Init"] = "InitLoraWeights", ["UseRsLora"] = "UseRslora",
        ["Epsilon"] = "AdamEpsilon", ["StopStrings"] = "Stop", ["KvCacheDType"] = "KvCacheDtype",
    };

    // Options without a flag, and those whose flag has no value by default and then depends on the data, the model or the method.
    private static readonly string[] WithoutDefault =
    [
        "Betas", "LoraPlusRates", "Momentum", "EvalSteps", "SaveSteps", "StopTokens", "StopStrings", "NumBeams", "NumReturnSequences",
        "LengthPenalty", "EarlyStopping", "NoRepeatNgramSize", "MinLength", "MinNewTokens", "KvCacheDType",
        "RankPattern", "AlphaPattern", "BaseModelNameOrPath", "TargetModules",
    ];

    private static IEnumerable<TestCaseData> Options() =>
    [
        .. Pairs(new TrainerOptions(), new TrainOptions()),
        .. Pairs(new LoraConfig(), new TrainOptions()),
        .. Pairs(new GenerationOptions(), new SamplingOptions()),
    ];

    [TestCaseSource(nameof(Options))]
    public void A_flag_has_the_default_of_the_librarys_option(object? library, object? tool) => Assert.That(tool, Is.EqualTo(library));

    [Test]
    public void Data_are_encoded_and_ordered_as_by_default_in_the_library()
    {
        var (tool, encode) = (new TrainOptions(), new EncodeOptions { MaxSeqLength = 8 });

        Assert.That((tool.MaskPrompt, tool.SkipBad, tool.MaxTargetLength, tool.ProblemType),
            Is.EqualTo((encode.MaskPrompt, encode.SkipBadFiles, encode.MaxTargetLength, encode.ProblemType)));
        Assert.That((tool.ChatTemplate is null, tool.Language is null), Is.EqualTo((encode.ChatTemplate is null, encode.Speech is null)));
        Assert.That(tool.Seed, Is.EqualTo(new LoaderOptions { BatchSize = 1, PadId = 0 }.Seed));
        Assert.That(ToolRun.Of("eval", "--help").Output, Does.Contain("[default: true]").And.Contain("[default: 8]"));
    }

    [Test]
    public void The_learning_rate_suits_adapters() => Assert.That(new TrainOptions().LearningRate, Is.EqualTo(2e-4));

    [Test]
    public void The_rates_of_lora_plus_are_those_of_the_library()
    {
        var tool = new TrainOptions();
        Assert.That((tool.LoraplusLrRatio, tool.LoraplusLrEmbedding), Is.EqualTo(new TrainerOptions().LoraPlusRates));
        Assert.That((tool.LoraplusLrRatio, tool.LoraplusLrEmbedding), Is.EqualTo((16.0, 1e-6)));
    }

    [Test]
    public void The_betas_are_those_of_the_library()
    {
        var (tool, library) = (new TrainOptions(), new TrainerOptions().Betas);
        Assert.That(((float)tool.AdamBeta1, (float)tool.AdamBeta2), Is.EqualTo(library));
        Assert.That((tool.AdamBeta1, tool.AdamBeta2), Is.EqualTo((0.9, 0.999)));
    }

    private static IEnumerable<TestCaseData> Pairs(object library, object tool)
    {
        foreach (var option in library.GetType().GetProperties(BindingFlags.Public | BindingFlags.Instance)
            .Where(option => option.SetMethod is not null && !WithoutDefault.Contains(option.Name)))
        {
            var flag = tool.GetType().GetProperty(Renamed.GetValueOrDefault(option.Name, option.Name));
            yield return new TestCaseData(Value(option, library), flag is null ? "an option without a flag" : Value(flag, tool))
                .SetArgDisplayNames($"{library.GetType().Name}.{option.Name}");
        }
    }

    private static object? Value(PropertyInfo property, object owner) => (property.Name, property.GetValue(owner)) switch
    {
        ("MaxSteps", int steps) => Math.Max(0, steps),
        ("Schedule", { } kind) => kind.ToString()!.ToLowerInvariant(),
        ("Init", LoraInit.Default) => "true",
        (_, float number) => (double)(decimal)number,
        (_, var value) => value,
    };
}
