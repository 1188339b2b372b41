using System.Text.Json;
using PeftCore.Backends;
using PeftCore.Models;
using PeftCore.Peft;
using PeftCore.Peft.Lora;

namespace PeftCore.Extensions.AI.Tests;

/// <summary>The small models of the repository, and adapters of random values on them.</summary>
internal static class TestModels
{
    /// <summary>A decoder of 3.2 million parameters, without a chat template.</summary>
    public static string Llama { get; } = Path.Combine(TestFiles.Root, "src", "PeftCore.Cli", "Demo", "base-llama");

    /// <summary>An encoder of 1.4 million parameters.</summary>
    public static string Bert { get; } = Path.Combine(TestFiles.Root, "docs", "samples", "models", "base-bert");

    /// <summary>A tiny encoder-decoder.</summary>
    public static string T5 { get; } = Path.Combine(TestFiles.Root, "src", "PeftCore.Cli", "Demo", "base-t5");

    /// <summary>Options of a chat client over the decoder, with a built-in template.</summary>
    public static PeftCoreChatOptions Chat(params IEnumerable<(string Name, string Directory)> adapters) => new()
    {
        ModelDirectory = Llama,
        ChatTemplate = "alpaca",
        Threads = 1,
        Adapters = adapters.ToDictionary(adapter => adapter.Name, adapter => adapter.Directory),
    };

    /// <summary>Saves an adapter: without a configuration a LoRA with random A and B, which changes every text.</summary>
    public static string SaveAdapter(string directory, ulong seed, string model, ModelTask? task = null, string? pooling = null,
        LoraConfig? config = null)
    {
        using var backend = new CpuBackend(threads: 1);
        using var transformer = ModelLoader.Load(model, backend, task: new TaskOptions { Task = task, Pooling = pooling });
        var adapted = new PeftModel(transformer);
        adapted.AddAdapter(config ?? new LoraConfig { Rank = 4, Alpha = 16, Init = LoraInit.Random }, seed: seed);
        adapted.Save(directory);
        return directory;
    }

    /// <summary>A copy of a model directory, with other files beside it.</summary>
    public static string Copy(string model, string directory, params IEnumerable<(string Path, string Json)> files)
    {
        Directory.CreateDirectory(directory);
        foreach (string file in Directory.GetFiles(model))
        {
            File.Copy(file, Path.Combine(directory, Path.GetFileName(file)));
        }
        foreach (var (path, json) in files)
        {
            string full = Path.Combine(directory, path);
            Directory.CreateDirectory(Path.GetDirectoryName(full)!);
            File.WriteAllText(full, json);
        }
        return directory;
    }

    /// <summary>tokenizer_config.json of the decoder with a chat template.</summary>
    public static (string Path, string Json) TokenizerConfig(string template)
    {
        string own = File.ReadAllText(Path.Combine(Llama, "tokenizer_config.json"));
        var config = JsonSerializer.Deserialize<Dictionary<string, object?>>(own)!;
        config["chat_template"] = template;
        return ("tokenizer_config.json", JsonSerializer.Serialize(config));
    }
}
