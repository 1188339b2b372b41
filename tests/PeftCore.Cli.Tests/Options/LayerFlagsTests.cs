using System.CommandLine;
using PeftCore.Cli.Options;
using PeftCore.Cli.Session;
using PeftCore.Peft;
using PeftCore.Peft.Lora;

namespace PeftCore.Cli.Tests.Options;

/// <summary>LoRA's fields for single layers, by flags and by --method-options.</summary>
public sealed class LayerFlagsTests
{
    private static readonly string[] Flags =
    [
        "--target-modules", "all-linear", "--exclude-modules", "k_proj,o_proj", "--layers-to-transform", "0,2", "--layers-pattern", "layers",
        "--rank-pattern", "q_proj=16,layers.2.mlp.down_proj=2", "--alpha-pattern", "q_proj=1.5",
    ];

    [Test]
    public void Flags_set_exclusions_layers_and_patterns()
    {
        var config = (LoraConfig)Config(Flags);

        Assert.That(config.ExcludeModules!.Names, Is.EqualTo(new[] { "k_proj", "o_proj" }));
        Assert.That(config.LayersToTransform, Is.EqualTo(new[] { 0, 2 }));
        Assert.That(config.LayersPattern, Is.EqualTo(new[] { "layers" }));
        Assert.That(config.RankPattern, Is.EqualTo(new KeyValuePair<string, int>[] { new("q_proj", 16), new("layers.2.mlp.down_proj", 2) }));
        Assert.That(config.AlphaPattern, Is.EqualTo(new KeyValuePair<string, double>[] { new("q_proj", 1.5) }));
    }

    [Test]
    public void Method_options_set_the_same_fields()
    {
        string json = Fields(Config("--method-options", """
            {"target_modules": "all-linear", "exclude_modules": ["k_proj", "o_proj"], "layers_to_transform": [0, 2],
            "layers_pattern": ["layers"], "rank_pattern": {"q_proj": 16, "layers.2.mlp.down_proj": 2}, "alpha_pattern": {"q_proj": 1.5}}
            """));

        Assert.That(json, Is.EqualTo(Fields(Config(Flags))));
        Assert.That(Fields(Config("--method-options",
            "target_modules=all-linear,exclude_modules=[\"k_proj\",\"o_proj\"],layers_to_transform=[0,2],layers_pattern=[\"layers\"],"
            + "rank_pattern={\"q_proj\":16,\"layers.2.mlp.down_proj\":2},alpha_pattern={\"q_proj\":1.5}")), Is.EqualTo(json));
    }

    [Test]
    public void A_pattern_with_a_comma_is_given_as_json()
    {
        var config = (LoraConfig)Config("--rank-pattern", """{"layers.[0,1].*": 4}""", "--exclude-modules", ".*lm_head");

        Assert.That(config.RankPattern, Is.EqualTo(new KeyValuePair<string, int>[] { new("layers.[0,1].*", 4) }));
        Assert.That(config.ExcludeModules!.Pattern, Is.EqualTo(".*lm_head"));
    }

    [TestCase("--rank-pattern", "q_proj", "--rank-pattern has \"q_proj\", expected a pattern and a number such as q_proj=16")]
    [TestCase("--rank-pattern", "q_proj=many", "--rank-pattern has \"q_proj=many\"")]
    [TestCase("--rank-pattern", "q_proj=1,q_proj=2", "\"q_proj\" twice")]
    [TestCase("--rank-pattern", "q_proj=1.5", "rank_pattern")]
    [TestCase("--rank-pattern", "{q}", "--rank-pattern is no JSON object")]
    [TestCase("--layers-to-transform", "first", "--layers-to-transform: \"first\" is no layer")]
    [TestCase("--layers-pattern", "layers", "layers_to_transform chooses none")]
    public void What_cannot_be_read_is_refused(string flag, string value, string sentence) =>
        Assert.That(() => Config(flag, value), Throws.TypeOf<BadInputException>().With.Message.Contains(sentence));

    [Test]
    public void Only_the_chosen_layers_get_adapters()
    {
        using var directory = new TemporaryDirectory();

        var run = ToolRun.Of(["train", "--model", Bundled.BaseLlama, "--data", Bundled.DemoData, "--max-steps", "1", "--batch-size", "1",
            "--max-seq-length", "32", "--output-dir", directory.FullPath, "--target-modules", "all-linear", "--exclude-modules", "k_proj",
            "--layers-to-transform", "1", "--rank-pattern", "q_proj=2"]);

        Assert.That(run.ExitCode, Is.Zero, run.Error);
        using var file = PeftCore.Io.SafetensorsFile.Open(Path.Combine(directory.FullPath, "adapter_model.safetensors"));
        Assert.That(file.Entries.Keys, Has.All.Contain(".layers.1.").And.None.Contain("k_proj"));
        Assert.That(file.Entries.Values.First(entry => entry.Name.EndsWith("q_proj.lora_A.weight", StringComparison.Ordinal)).Shape[0],
            Is.EqualTo(2));
        Assert.That(file.Entries.Values.First(entry => entry.Name.EndsWith("v_proj.lora_A.weight", StringComparison.Ordinal)).Shape[0],
            Is.EqualTo(8));
    }

    private static string Fields(PeftConfig config) => config.ToJson().ToJsonString();

    private static PeftConfig Config(params string[] args)
    {
        var settings = new Settings<TrainOptions>();
        var command = new Command("train", "");
        settings.AddTo(command);
        return AdapterSetup.ConfigOf(settings.Read(command.Parse(args)));
    }
}
