using PeftCore.Backends;
using PeftCore.Models;
using PeftCore.Models.Generation;
using PeftCore.Peft;
using PeftCore.Peft.Lora;
using PeftCore.Tensors;
using PeftCore.Tokenizers;

namespace PeftCore.Tests.Docs.Snippets;

internal static class ConcurrentCalls
{
    public static async Task<string> Run(string modelDirectory)
    {
        using var backend = new CpuBackend();
        var model = new PeftModel(ModelLoader.Load(modelDirectory, backend));
        var tokenizer = Tokenizer.FromDirectory(modelDirectory);
        model.AddAdapter(new LoraConfig { Rank = 2 }, "formal");
        model.AddAdapter(new LoraConfig { Rank = 4 }, "brief");
        int[] ids = [.. tokenizer.Encode("It was").Ids];
        var options = new GenerationOptions { MaxNewTokens = 4 };

        var generator = new Generator(model.Base, backend);
        Parallel.ForEach(new[] { "formal", "brief", PeftModel.NoAdapter }, adapter =>
            Console.WriteLine(generator.Generate("It was", tokenizer, options, adapter: adapter).Text));
        float[] both = model.WithAdapters(["formal", "brief"], () => Embed(model, backend, ids));

        using var batcher = new ContinuousBatcher(model, tokenizer, maxRows: 16, maxQueue: 64);
        var formal = batcher.GenerateAsync("It was", options, adapter: "formal");
        var brief = batcher.GenerateAsync("It was", options, adapter: "brief");
        Console.WriteLine((await formal).Text + (await brief).Text);
        return both.Length > 0 ? (await formal).Text : "";
    }

    private static float[] Embed(PeftModel model, Backend backend, int[] ids)
    {
        using var scope = new TensorScope();
        return model.Base.Hidden(ModelInputs.From(backend, ids, 1)).ToArray<float>();
    }
}
