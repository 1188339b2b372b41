using PeftCore.Autograd;
using PeftCore.Backends;
using PeftCore.Models;

namespace PeftCore.Tests.Models.Vision;

/// <summary>CLIP's tower of pictures with a classifier.</summary>
public sealed class ClipClassifierTests : CpuTests
{
    private const int Columns = 32, Patches = 4, Classes = 3;

    [Test]
    public void A_picture_is_classified_by_the_mean_of_its_patches_without_the_class_token_and_the_last_norm()
    {
        var model = TinyPictures.Model(Cpu, TinyPictures.ClipClassifier);
        var inputs = model.ToInputs(TinyPictures.Batch(TinyPictures.ClipClassifier, [], rows: 2));
        float[] hidden = model.Hidden(inputs).ToFloats(), logits = model.Logits(inputs).ToFloats();
        float[] weight = model.NamedParameters().Single(p => p.Path == "classifier.weight").Parameter.Value.ToFloats();
        Assert.That(hidden, Has.Length.EqualTo(2 * (1 + Patches) * Columns));
        float[] expected = [.. from row in Enumerable.Range(0, 2)
                               let mean = Enumerable.Range(0, Columns).Select(c => Enumerable.Range(1, Patches)
                                   .Average(patch => (double)hidden[(row * (1 + Patches) + patch) * Columns + c])).ToArray()
                               from label in Enumerable.Range(0, Classes)
                               select (float)Enumerable.Range(0, Columns).Sum(c => weight[label * Columns + c] * mean[c])];
        Assert.That(Fixtures.Error(logits, expected), Is.LessThan(1e-5));
    }

    [Test]
    public void Both_towers_give_the_classifier_their_weights_of_pictures_and_files_keep_the_last_norm()
    {
        using var directory = new TemporaryDirectory();
        var warnings = new List<string>();
        var task = new TaskOptions { Task = ModelTask.ImageClassification, Labels = ["a", "b"] };
        var model = ModelLoader.Load(TinyPictures.Directory("clip"), Cpu, warnings: warnings, task: task);
        var both = ModelLoader.Load(TinyPictures.Directory("clip"), Cpu);
        Assert.That(warnings.Single(), Does.Contain("classifier.weight").And.Contain("random until"));
        Assert.That(model.Architecture, Is.EqualTo("CLIPForImageClassification"));
        var towers = both.NamedParameters().ToDictionary(p => p.Path, p => p.Parameter.Value.ToFloats());
        foreach (var (path, parameter) in model.NamedParameters().Where(p => !p.Path.StartsWith("classifier.", StringComparison.Ordinal)))
        {
            Assert.That(parameter.Value.ToFloats(), Is.EqualTo(towers[path]), path);
        }

        ModelWriter.Save(model, directory.FullPath, TinyPictures.Directory("clip"));
        var saved = ModelLoader.Load(directory.FullPath, Cpu);
        Assert.That(saved.Labels, Is.EqualTo(new[] { "a", "b" }));
        Assert.That(saved.NamedParameters().Select(p => p.Path), Has.Member("vision_model.post_layernorm.weight"));
        var arrays = TinyPictures.Batch(TinyPictures.ClipClassifier, [], rows: 2);
        Assert.That(saved.Logits(saved.ToInputs(arrays)).ToFloats(), Is.EqualTo(model.Logits(model.ToInputs(arrays)).ToFloats()));
        foreach (var each in (TransformerModel[])[model, both, saved])
        {
            each.Dispose();
        }
    }

    [Test]
    public void The_unused_norm_does_not_train()
    {
        var model = TinyPictures.Model(Cpu, TinyPictures.ClipClassifier);
        model.SetRequiresGrad(true);
        var inputs = model.ToInputs(TinyPictures.Batch(TinyPictures.ClipClassifier, [], rows: 2));
        using var tape = new Tape();
        tape.Backward(model.Loss(inputs, model.ToTargets([0, 2], 2)));
        Assert.That(model.NamedParameters().Where(p => p.Parameter.Gradient is null).Select(p => p.Path),
            Is.EquivalentTo(new[] { "vision_model.post_layernorm.weight", "vision_model.post_layernorm.bias" }));
    }

    [Test]
    public void A_picture_may_be_compared_with_more_texts_than_there_are_pictures()
    {
        var model = TinyPictures.Model(Cpu, "clip");
        var arrays = TinyPictures.Batch("clip", [3, 9, 4, 9, 5, 9], rows: 3);
        float[] all = model.Logits(model.ToInputs(arrays)).ToFloats(); // (3, 3)
        var one = model.ToInputs(arrays with { Pixels = TinyPictures.Pixels(1, TinyPictures.Side, TinyPictures.Side) });
        Assert.That(Fixtures.Error(model.Logits(one).ToFloats(), all.AsSpan(0, 3).ToArray()), Is.LessThan(1e-5));
    }
}
