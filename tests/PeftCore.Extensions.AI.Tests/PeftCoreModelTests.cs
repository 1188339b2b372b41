using Microsoft.Extensions.AI;
using PeftCore.Backends;
using PeftCore.Models;
using PeftCore.Peft;
using PeftCore.Peft.Lora;
using PeftCore.Tokenizers;
using ChatMessage = Microsoft.Extensions.AI.ChatMessage;

namespace PeftCore.Extensions.AI.Tests;

/// <summary>Models that are loaded already, and adapters that come and go while requests run.</summary>
public sealed class PeftCoreModelTests
{
    private static readonly ChatMessage[] Question = [new(ChatRole.User, "Hello")];

    private static readonly ChatOptions Short = new() { MaxOutputTokens = 10 };

    private TemporaryDirectory _folder = null!;

    [OneTimeSetUp]
    public void Make()
    {
        _folder = new TemporaryDirectory();
        TestModels.SaveAdapter(_folder["first"], 1, TestModels.Llama);
        TestModels.SaveAdapter(_folder["second"], 2, TestModels.Llama);
    }

    [OneTimeTearDown]
    public void Remove() => _folder.Dispose();

    [Test]
    public async Task A_model_in_memory_serves_its_attached_adapters_and_stays_the_caller_s()
    {
        using var backend = new CpuBackend(threads: 1);
        using var transformer = ModelLoader.Load(TestModels.Llama, backend);
        var adapted = new PeftModel(transformer);
        adapted.AddAdapter(new LoraConfig { Rank = 4, Alpha = 16, Init = LoraInit.Random }, "mine", seed: 5);
        string[] texts;
        using (var model = new PeftCoreModel(adapted, Tokenizer.FromDirectory(TestModels.Llama), backend,
            new PeftCoreChatOptions { ModelId = "base", ChatTemplate = "alpaca", DefaultAdapter = "mine" }))
        {
            model.LoadAdapter("first", _folder["first"]);
            using var client = new PeftCoreChatClient(model);
            texts = [await Ask(client), await Ask(client, "mine"), await Ask(client, "base"), await Ask(client, "first")];

            Assert.That(adapted.ActiveAdapters, Is.EqualTo(new[] { "mine" }), "what other calls run with stays");
            Assert.That(model.Directory, Is.Null);
        }

        Assert.That(texts[0], Is.EqualTo(texts[1]));
        Assert.That(texts.Distinct().Count(), Is.EqualTo(3));
        Assert.That(adapted.AdapterNames, Is.EquivalentTo(new[] { "mine", "first" }));
        Assert.That(adapted.Generate("Hello", Tokenizer.FromDirectory(TestModels.Llama), adapter: "mine").Tokens, Is.Not.Empty);
    }

    [Test]
    public async Task Calls_during_replacements_have_the_text_of_one_adapter_from_begin_to_end()
    {
        using var model = PeftCoreModel.Load(TestModels.Chat(("a", _folder["first"])));
        using var client = new PeftCoreChatClient(model, "a");
        string first = await Ask(client);
        model.LoadAdapter("a", _folder["second"]);
        string second = await Ask(client);
        string plain = await Ask(client, model.ModelId);

        var replacements = Task.Run(() =>
        {
            for (int i = 0; i < 6; i++)
            {
                model.LoadAdapter("a", _folder[i % 2 == 0 ? "first" : "second"]);
            }
        });
        string[] texts = await Task.WhenAll(Enumerable.Range(0, 32)
            .Select(i => Task.Run(() => Ask(client, i % 4 == 0 ? model.ModelId : null))));
        await replacements;

        Assert.That(texts.Where((_, i) => i % 4 == 0), Has.All.EqualTo(plain));
        Assert.That(texts.Where((_, i) => i % 4 != 0), Has.All.EqualTo(first).Or.EqualTo(second));
        Assert.That(await Ask(client), Is.EqualTo(second));
        model.Dispose();
        Assert.That(model.Model.AdapterNames, Has.Count.EqualTo(1));
    }

    [Test]
    public void An_adapter_that_cannot_be_loaded_leaves_the_one_that_serves()
    {
        using var model = PeftCoreModel.Load(TestModels.Chat(("a", _folder["first"])));

        Assert.That(() => model.LoadAdapter("a", _folder["nowhere"]), Throws.TypeOf<BadInputException>());
        Assert.That(() => model.LoadAdapter("base-llama", _folder["first"]),
            Throws.TypeOf<BadInputException>().With.Message.Contains("the name of the base model"));
        Assert.That(model.AdapterNames, Is.EqualTo(new[] { "a" }));
        Assert.That((model.RemoveAdapter("b"), model.RemoveAdapter("a")), Is.EqualTo((false, true)));
        Assert.That(model.AdapterNames, Is.Empty);
    }

    [Test]
    public void A_model_without_a_name_or_without_its_default_adapter_is_refused()
    {
        using var backend = new CpuBackend(threads: 1);
        using var transformer = ModelLoader.Load(TestModels.Llama, backend);
        var adapted = new PeftModel(transformer);
        var tokenizer = Tokenizer.FromDirectory(TestModels.Llama);

        Assert.That(() => new PeftCoreModel(adapted, tokenizer, backend, new PeftCoreChatOptions()),
            Throws.TypeOf<BadInputException>().With.Message.Contains("give a ModelId"));
        Assert.That(() => new PeftCoreModel(adapted, tokenizer, backend, new PeftCoreChatOptions { ModelId = "m", DefaultAdapter = "a" }),
            Throws.TypeOf<BadInputException>().With.Message.Contains("the default adapter \"a\" is not among the adapters (none)"));
    }

    private static async Task<string> Ask(PeftCoreChatClient client, string? model = null)
    {
        var options = Short.Clone();
        options.ModelId = model;
        return (await client.GetResponseAsync(Question, options)).Text;
    }
}
