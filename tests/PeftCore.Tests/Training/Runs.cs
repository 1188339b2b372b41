using System.Text.Json.Nodes;
using PeftCore.Backends;
using PeftCore.Data;
using PeftCore.Kernels;
using PeftCore.Models;
using PeftCore.Peft;
using PeftCore.Peft.Lora;
using PeftCore.Training;

namespace PeftCore.Tests.Training;

/// <summary>Small training runs on the fixtures' models and made-up sentences.</summary>
internal static class Runs
{
    public const int Vocabulary = 97;

    /// <summary>Sequences with a pattern that can be learned: each token depends on the previous one, with some noise.</summary>
    public static List<Example> Examples(int count, ulong seed, int longest = 14)
    {
        var examples = new List<Example>();
        for (int i = 0; i < count; i++)
        {
            var words = Philox.Next(seed, 99, (ulong)i);
            int[] ids = new int[4 + (int)(words.X % (uint)(longest - 3))];
            ids[0] = 3 + (int)(words.Y % 90);
            for (int t = 1; t < ids.Length; t++)
            {
                bool noise = Philox.Uniform(seed, (ulong)(1000 + i), (ulong)t) < 0.1f;
                ids[t] = 3 + (ids[t - 1] * 7 + (noise ? 11 : 5)) % 90;
            }
            int[] labels = [.. ids];
            labels.AsSpan(0, 2).Fill(Example.Masked);
            examples.Add(new Example(ids, labels));
        }
        return examples;
    }

    /// <summary>One sequence of a length, all of which is learned.</summary>
    public static Example Sentence(int length, ulong seed)
    {
        int[] ids = [.. Enumerable.Range(0, length).Select(t => 3 + (int)(Philox.Next(seed, 7, (ulong)t).X % 90))];
        return new Example(ids, ids);
    }

    public static DataLoader Loader(int count, ulong seed, int batchSize, bool shuffle = true) =>
        new(Examples(count, seed), new LoaderOptions { BatchSize = batchSize, PadId = 0, Seed = seed, Shuffle = shuffle });

    public static TransformerModel Model(string family, Backend backend) => ModelLoader.Load(TestFiles.Fixture("hf", family, "base"), backend);

    /// <summary>A LoRA adapter with dropout, so that a resumed run must reproduce the masks.</summary>
    public static ITrainable Lora(string family, Backend backend, double dropout = 0.1)
    {
        var model = new PeftModel(Model(family, backend));
        model.AddAdapter(new LoraConfig
        {
            Rank = 4, Alpha = 8, Dropout = dropout,
            TargetModules = ModuleSelector.Parse(ModuleSelector.AllLinear)
        }, seed: 5);
        return new TrainableAdapter(model);
    }

    public static Dictionary<string, float[]> Values(ITrainable trainable) =>
        trainable.Parameters.ToDictionary(p => p.Name, p => p.Parameter.Value.ToArray<float>());

    /// <summary>The rows of a run's log.</summary>
    public static List<JsonObject> Log(string directory) =>
        [.. File.ReadAllLines(Path.Combine(directory, "training_log.jsonl")).Select(line => JsonNode.Parse(line)!.AsObject())];

    /// <summary>The rows of a run's log without times.</summary>
    public static List<string> ExactLog(string directory)
    {
        var rows = Log(directory);
        foreach (var row in rows)
        {
            row.Remove("tok_s");
            row.Remove("elapsed");
        }
        return [.. rows.Select(row => row.ToJsonString())];
    }
}
