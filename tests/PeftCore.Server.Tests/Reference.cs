using PeftCore.Backends;
using PeftCore.Cli.Tests;
using PeftCore.Models;
using PeftCore.Models.Generation;
using PeftCore.Peft;
using PeftCore.Peft.Lora;
using PeftCore.Peft.Selective;
using PeftCore.Tokenizers;

namespace PeftCore.Server.Tests;

/// <summary>The bundled LLaMA model with adapters of random values, and the texts that it writes alone.</summary>
internal sealed class Reference : IDisposable
{
    private readonly CpuBackend _backend = new(1);
    private readonly PeftModel _model;

    /// <summary>Makes adapters and saves them in subdirectories of their names.</summary>
    public Reference(string directory, params string[] adapters)
    {
        _model = new PeftModel(ModelLoader.Load(Bundled.BaseLlama, _backend));
        Tokenizer = Tokenizer.FromDirectory(Bundled.BaseLlama);
        foreach (var (index, name) in adapters.Index())
        {
            // Random values in both factors, so that each adapter writes texts of its own.
            _model.AddAdapter(new LoraConfig { Rank = 4, Alpha = 32, Init = LoraInit.Random }, name, seed: (ulong)index + 1);
            _model.Save(directory, name);
        }
    }

    public Tokenizer Tokenizer { get; }

    /// <summary>Makes and saves an adapter that replaces the weights of the norms, which no other text may run with.</summary>
    public void AddNorms(string directory, string name)
    {
        _model.AddAdapter(new LnTuningConfig(), name);
        _model.Save(directory, name);
        string saved = Path.Combine(directory, name), file = Path.Combine(saved, "adapter_model.safetensors");
        var random = new Random(5);
        RawTensor.WriteAll(file, [.. RawTensor.ReadAll(file).Select(norm => RawTensor.Random(norm.Name, random, 2, norm.Shape))]);
        _model.Delete(name);
        _model.Load(saved, name);
    }

    /// <summary>The likeliest text after a prompt.</summary>
    /// <param name="adapter">The adapter; null for the base.</param>
    /// <param name="prompt">The prompt.</param>
    /// <param name="tokens">The most new tokens.</param>
    public string Text(string? adapter, string prompt, int tokens) =>
        Sample(adapter, prompt, new GenerationOptions { MaxNewTokens = tokens });

    /// <summary>The text after a prompt.</summary>
    public string Sample(string? adapter, string prompt, GenerationOptions options)
    {
        if (adapter is null)
        {
            return _model.WithAdapters([], () => Generate(prompt, options));
        }
        _model.SetActive(adapter);
        return Generate(prompt, options);
    }

    public void Dispose()
    {
        _model.Unload().Dispose();
        _backend.Dispose();
    }

    private string Generate(string prompt, GenerationOptions options) =>
        new Generator(_model.Base, _backend).Generate(prompt, Tokenizer, options).Text;
}
