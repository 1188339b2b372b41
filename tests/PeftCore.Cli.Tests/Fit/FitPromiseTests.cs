using System.Text.Json;

namespace PeftCore.Cli.Tests.Fit;

/// <summary>plan --fit over 20 random shapes and limits: no proposal exceeds the limit, and nothing that fits is refused.</summary>
public sealed class FitPromiseTests
{
    private static readonly string[] Adapter = ["--lora-r", "4", "--target-modules", "all-linear"];

    private TemporaryDirectory _directory = null!;

    [SetUp]
    public void Create() => _directory = new TemporaryDirectory();

    [TearDown]
    public void Delete() => _directory.Dispose();

    [Test]
    public void A_small_model_runs_within_the_limit_by_every_proposal_and_what_is_not_proposed_does_not_fit([Range(0, 13)] int seed)
    {
        string[] model = ["--model", RandomShapes.Tiny(_directory, seed), .. Adapter];
        long usual = Plan([.. model, "--batch-size", "1"]).Json.GetProperty("planned_bytes").GetInt64();
        long limit = (long)(usual * (0.15 + 2.5 * Math.Pow(new Random(seed).NextDouble(), 2)));
        string[] limited = [.. model, "--max-memory", $"{limit}"];
        var fit = Plan([.. limited, "--fit"]);
        var proposals = fit.Json.GetProperty("proposals").EnumerateArray().ToList();
        foreach (var one in proposals)
        {
            var step = ToolRun.Of(["bench", "step", "--json", "--steps", "1", "--warmup", "2", "--threads", "1", .. limited,
                .. Flags(one)]);
            Assert.That(step.ExitCode, Is.Zero, $"{string.Join(' ', limited)} {string.Join(' ', Flags(one))}: {step.Error}");
            Assert.That(step.Json.GetProperty("peak_bytes").GetInt64(), Is.EqualTo(one.GetProperty("planned_bytes").GetInt64())
                .And.LessThanOrEqualTo(limit));
        }
        int longest = Plan(model).Json.GetProperty("max_seq_length").GetInt32();
        int found = proposals.Count == 0 ? 0 : proposals[0].GetProperty("max_seq_length").GetInt32();
        Assert.That(proposals.Select(one => one.GetProperty("max_seq_length").GetInt32()), Is.All.EqualTo(found));
        for (int length = longest; length >= Math.Max(found, 1); length = length > 32 ? Math.Max(32, length / 2) : 0)
        {
            foreach (var (flags, bytes) in Fitting(limited, length))
            {
                // BF16 is listed apart from F32 only if it is another step.
                Assert.That(length, Is.EqualTo(found), $"{fit.Output} but {flags} fits");
                Assert.That(proposals.Any(one => Words(one).Contains("--load-in-4bit") == flags.Contains("4bit")
                    && Words(one).Contains("--load-in-8bit") == flags.Contains("8bit")
                    && Words(one).Contains("--bnb-4bit-use-double-quant") == flags.Contains("double")
                    && Words(one).Contains("--gradient-checkpointing") == flags.Contains("checkpointing")),
                    $"{flags} fits ({bytes} bytes) and is not among {fit.Output}");
            }
        }
    }

    [Test]
    public void Every_proposal_for_a_large_model_on_a_card_is_planned_within_the_limit([Range(20, 25)] int seed)
    {
        string[] limited = ["--config", RandomShapes.Large(_directory, seed), .. Adapter, "--device", "cuda", "--dtype", "bf16",
            "--max-memory", $"cuda={4 + new Random(seed).Next(30)}GiB,cpu={10 + new Random(seed).Next(30)}GiB"];
        var fit = Plan([.. limited, "--fit"]).Json;
        long limit = fit.GetProperty("limit_bytes").GetInt64();
        foreach (var one in fit.GetProperty("proposals").EnumerateArray())
        {
            var plan = Plan([.. limited, .. Flags(one)]);
            Assert.That(plan.ExitCode, Is.Zero, plan.Error);
            foreach (string key in (string[])["planned_bytes", "reserved_bytes", "host_bytes", "streamed_bytes"])
            {
                Assert.That(plan.Json.GetProperty(key).GetInt64(), Is.EqualTo(one.GetProperty(key).GetInt64()), key);
            }
            Assert.That(one.GetProperty("reserved_bytes").GetInt64(), Is.LessThanOrEqualTo(limit));
        }
        Assert.That(fit.GetProperty("proposals").GetArrayLength() > 0 || Fitting(limited, 32, "offload").Count == 0);
    }

    /// <summary>Settings with which a batch of one fits, tried one by one.</summary>
    private static List<(string Flags, long Bytes)> Fitting(string[] limited, int length, params string[] offload)
    {
        string[] bases = ["", "--load-in-8bit", "--load-in-4bit", "--load-in-4bit --bnb-4bit-use-double-quant"];
        string[] dtypes = limited.Contains("--dtype") ? [""] : ["", "--dtype bf16"];
        string[] recomputing = ["", "--gradient-checkpointing", .. offload.Select(where => "--gradient-checkpointing " + where)];
        return [.. from dtype in dtypes
                   from storage in bases
                   from checkpointing in recomputing
                   let flags = $"--batch-size 1 --max-seq-length {length} {dtype} {storage} {checkpointing}"
                   let plan = Plan([.. limited, .. flags.Split(' ', StringSplitOptions.RemoveEmptyEntries)])
                   where plan.ExitCode == 0
                   select (flags, plan.Json.GetProperty("planned_bytes").GetInt64())];
    }

    private static ToolRun Plan(string[] flags) => ToolRun.Of(["plan", "--json", .. flags]);

    private static string[] Flags(JsonElement proposal) => proposal.GetProperty("flags").GetString()!.Split(' ');

    private static IEnumerable<string> Words(JsonElement proposal) => Flags(proposal);
}
