using PeftCore.Backends;
using PeftCore.Models;
using PeftCore.Tensors;

namespace PeftCore.Tests.Models.Vision;

/// <summary>LayoutLM and LayoutLMv3: boxes, padding, and documents without a picture.</summary>
public sealed class DocumentTests : CpuTests
{
    [Test]
    public void Boxes_that_do_not_fit_the_page_or_the_tokens_are_refused([Values("layoutlm", "layoutlmv3")] string type)
    {
        var model = TinyPictures.Model(Cpu, type);
        var arrays = TinyPictures.Batch(type, [3, 4, 5, 6], rows: 2);
        using (Assert.EnterMultipleScope())
        {
            Assert.That(() => model.ToInputs(arrays with { Boxes = null }), Refuses($"{type} models read a box for each token (bbox)"));
            Assert.That(() => model.ToInputs(arrays with { Boxes = arrays.Boxes![..12] }), Refuses("there are 3 boxes for 4 tokens"));
            Assert.That(() => model.ToInputs(arrays with { Boxes = [.. arrays.Boxes![..12], 1, 2, 64, 4] }),
                Refuses("the box (1, 2, 64, 4) lies outside of the page, whose coordinates are 0 to 63"));
            Assert.That(() => model.ToInputs(arrays with { Boxes = [.. arrays.Boxes![..12], 1, -1, 3, 4] }),
                Refuses("the box (1, -1, 3, 4) lies outside of the page"));
            Assert.That(() => model.ToInputs(arrays with { Boxes = [.. arrays.Boxes![..12], 5, 2, 3, 4] }),
                Refuses("the box (5, 2, 3, 4) ends before it begins"));
        }
    }

    [Test]
    public void A_coordinate_is_at_most_a_thousand_however_long_the_tables_are()
    {
        var model = TinyPictures.Model(Cpu, "layoutlm", further: "\"max_2d_position_embeddings\": 1024");
        var arrays = TinyPictures.Batch("layoutlm", [3, 4], rows: 1) with { Boxes = [0, 0, 1000, 1000, 1, 1, 1001, 9] };
        Assert.That(() => model.ToInputs(arrays), Refuses("coordinates are 0 to 1000"));
    }

    [Test]
    public void Padding_after_the_tokens_changes_nothing([Values] bool withPicture)
    {
        var model = TinyPictures.Model(Cpu, "layoutlmv3");
        int[] ids = [3, 40, 5, 60, 7];
        var arrays = TinyPictures.Batch("layoutlmv3", ids, rows: 1);
        arrays = withPicture ? arrays : arrays with { Pixels = null };
        float[] alone = model.Logits(model.ToInputs(arrays)).ToFloats();
        float[] padded = model.Logits(model.ToInputs(arrays with
        {
            Ids = [.. ids, 1, 1],
            Boxes = [.. arrays.Boxes!, 0, 0, 0, 0, 0, 0, 0, 0],
            Mask = [1, 1, 1, 1, 1, 0, 0],
        })).ToFloats();
        Assert.That(alone, Has.Length.EqualTo(5 * 3));
        Assert.That(Fixtures.Error(padded.AsSpan(0, alone.Length), alone), Is.LessThan(1e-5));
    }

    [Test]
    public void Padding_between_the_tokens_of_a_document_is_refused()
    {
        var model = TinyPictures.Model(Cpu, "layoutlmv3");
        var arrays = TinyPictures.Batch("layoutlmv3", [3, 4, 5], rows: 1) with { Mask = [1, 0, 1] };
        Assert.That(() => model.ToInputs(arrays), Refuses("put it after them"));
    }

    [Test]
    public void Hidden_states_are_those_of_the_tokens_and_then_of_the_patches()
    {
        var model = TinyPictures.Model(Cpu, "layoutlmv3", new TaskOptions { Task = ModelTask.FeatureExtraction });
        var arrays = TinyPictures.Batch("layoutlmv3", [3, 4, 5], rows: 1);
        var inputs = model.ToInputs(arrays);
        var outputs = model.Outputs(inputs);
        Assert.That(outputs.Select(output => output.Name), Is.EqualTo(new[] { "last_hidden_state" }));
        Assert.That(outputs[0].Value.Shape, Is.EqualTo(Shape.Of(1, 3 + 1 + 4, 32)));
        float[] embedding = model.Logits(inputs).ToFloats(), all = outputs[0].Value.ToFloats();
        float[] mean = [.. Enumerable.Range(0, 32).Select(c => (all[c] + all[32 + c] + all[64 + c]) / 3)];
        Assert.That(Fixtures.Error(embedding, mean), Is.LessThan(1e-5), "the mean of the tokens");
    }

    [TestCase(3, "classifier.weight")]
    [TestCase(12, "classifier.dense.weight")]
    public void Many_classes_have_a_head_of_two_layers(int classes, string name)
    {
        var model = TinyPictures.Model(Cpu, "layoutlmv3", further: $"\"num_labels\": {classes}");
        Assert.That(model.NamedParameters().Select(p => p.Path), Has.Member(name));
    }

    [Test]
    public void Virtual_tokens_are_refused()
    {
        var peft = new PeftCore.Peft.PeftModel(TinyPictures.Model(Cpu, "layoutlmv3"));
        Assert.That(() => peft.AddAdapter(new PeftCore.Peft.Prompts.PromptTuningConfig { NumVirtualTokens = 2 }),
            Refuses("which layoutlmv3 models have no place for"));
        peft.Base.Dispose();
    }

    private static NUnit.Framework.Constraints.Constraint Refuses(string sentence) =>
        Throws.TypeOf<BadInputException>().With.Message.Contains(sentence);
}
