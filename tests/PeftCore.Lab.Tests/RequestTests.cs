using System.Text.Json;

namespace PeftCore.Lab.Tests;

/// <summary>Wrong requests are answered with one sentence, and change nothing.</summary>
public sealed class RequestTests
{
    private OpenLab _lab = null!;

    [OneTimeSetUp]
    public async Task Open()
    {
        _lab = new OpenLab();
        await _lab.Train("a", """{"method": "lora", "size": 2}""", 1);
    }

    [OneTimeTearDown]
    public void Close() => _lab.Dispose();

    [TestCase("""{"size": 0}""", "size is 0, expected a whole number from 1 to 256")]
    [TestCase("""{"size": -3}""", "size is -3, expected")]
    [TestCase("""{"size": 257}""", "size is 257, expected")]
    [TestCase("""{"size": 1e99}""", "size is 1e99, expected")]
    [TestCase("""{"size": 2.5}""", "size is 2.5, expected")]
    [TestCase("""{"size": "8"}""", "size is a text, expected")]
    [TestCase("""{"alpha": 0}""", "alpha is 0, expected a number")]
    [TestCase("""{"alpha": 1e9}""", "alpha is 1e9, expected a number")]
    [TestCase("""{"learning_rate": 0}""", "learning_rate is 0, expected a number")]
    [TestCase("""{"learning_rate": 1e7}""", "learning_rate is 1e7, expected a number")]
    [TestCase("""{"learning_rate": true}""", "learning_rate is true, expected a number")]
    [TestCase("""{"batch_size": 33}""", "batch_size is 33, expected a whole number from 1 to 32")]
    [TestCase("""{"seed": -1}""", "seed is -1, expected a whole number")]
    [TestCase("""{"eval_steps": 0}""", "eval_steps is 0, expected a whole number")]
    [TestCase("""{"method": "gpt"}""", "method is not known here, expected one of lora, ")]
    [TestCase("""{"method": "../lora"}""", "method is not known here, expected one of lora, ")]
    [TestCase("""{"targets": ["x_proj"]}""", "targets[0] is not known here, expected one of q_proj, ")]
    [TestCase("""{"targets": "q_proj"}""", "targets is a text, expected a list")]
    [TestCase("""{"rank": 8}""", "there is no field rank in this request")]
    [TestCase("""{"method": "ln_tuning", "size": 8}""", "ln_tuning has no rank and no number of tokens; leave size out")]
    [TestCase("""{"method": "ia3", "alpha": 8}""", "ia3 has no alpha; leave it out")]
    [TestCase("""{"method": "prefix_tuning", "targets": ["q_proj"]}""", "prefix_tuning adapts no modules by name; leave targets out")]
    [TestCase("[]", "expected an object")]
    public async Task Settings_that_do_not_hold_make_no_run(string settings, string sentence)
    {
        var (status, answer) = await _lab.Ask("/api/create", $$"""{"run": "b", "settings": {{settings}}}""");

        Assert.That(status, Is.EqualTo(400));
        Assert.That(answer.GetProperty("error").GetProperty("message").GetString(), Does.Contain(sentence));
        Assert.That(await _lab.State("b") is null);
    }

    [Test]
    public async Task A_prompt_has_a_greatest_length()
    {
        var (status, answer) = await _lab.Ask("/api/create", $"{{\"run\": \"b\", \"settings\": {{\"prompt\": \"{new string('a', 401)}\"}}}}");

        Assert.That(status, Is.EqualTo(400));
        Assert.That(Message(answer), Is.EqualTo("prompt has 401 characters, expected at most 400"));
    }

    [TestCase("/api/create", """{"run": "a"}""", "settings is missing")]
    [TestCase("/api/create", """{"settings": {}}""", "run is missing, expected a or b")]
    [TestCase("/api/create", """{"run": "c", "settings": {}}""", "run is not known here, expected one of a, b")]
    [TestCase("/api/train", """{"run": "a", "steps": -1}""", "steps is -1, expected a whole number from 0 to 10000")]
    [TestCase("/api/train", """{"run": "a", "steps": 10001}""", "steps is 10001, expected")]
    [TestCase("/api/train", """{"run": "b", "steps": 1}""", "there is no run b yet; set it up first")]
    [TestCase("/api/delta", """{"run": "a"}""", "module is missing")]
    [TestCase("/api/delta", """{"run": "a", "module": "model.layers.9.mlp"}""", "module is no linear layer of the model")]
    [TestCase("/api/delta", """{"run": "a", "module": "../../x"}""", "module is no linear layer of the model")]
    [TestCase("/api/attention", """{"run": "a", "layer": 6, "head": 0}""", "block is 6, expected a number from 0 to 5")]
    [TestCase("/api/attention", """{"run": "a", "layer": 0, "head": 6}""", "head is 6, expected a number from 0 to 5")]
    [TestCase("/api/attention", """{"run": "a", "layer": -1, "head": 0}""", "layer is -1, expected a whole number")]
    [TestCase("/api/tensor", """{"run": "a", "index": 100000}""", "index is 100000, expected")]
    [TestCase("/api/export", """{"run": "a", "kind": "../../etc"}""", "kind is not known here, expected one of adapter, settings, lesson")]
    [TestCase("/api/export", """{"run": "a"}""", "kind is missing")]
    [TestCase("/api/export", """{"run": "a", "kind": "adapter", "file": "../x"}""", "there is no field file in this request")]
    public async Task Wrong_fields_are_named(string path, string body, string sentence)
    {
        var (status, answer) = await _lab.Ask(path, body);

        Assert.That(status, Is.EqualTo(400), answer.ToString());
        Assert.That(Message(answer), Does.Contain(sentence));
    }

    [TestCase("{", "the body is not valid JSON")]
    [TestCase("""{"run": "a", "run": "b"}""", "the body is not valid JSON")]
    [TestCase("[1]", "the body is a JSON list, expected an object")]
    public async Task A_body_must_be_one_json_object(string body, string sentence)
    {
        var (status, answer) = await _lab.Ask("/api/train", body);

        Assert.That(status, Is.EqualTo(400));
        Assert.That(Message(answer), Does.Contain(sentence));
    }

    [Test]
    public async Task Other_paths_and_methods_are_refused()
    {
        var (unknown, _) = await _lab.Ask("/api/shell", "{}");
        using var wrong = await _lab.Http.GetAsync("/api/train");

        Assert.That(unknown, Is.EqualTo(404));
        Assert.That((int)wrong.StatusCode, Is.EqualTo(405));
    }

    [Test]
    public async Task A_run_that_diverges_says_so_and_can_be_replaced()
    {
        await _lab.Ask("/api/create", """{"run": "b", "settings": {"method": "lora", "size": 1, "learning_rate": 1e6, "batch_size": 1}}""");
        await _lab.Ask("/api/train", """{"run": "b", "steps": 20}""");
        var state = await _lab.Until("b", each => each.GetProperty("state").GetString() is "failed" or "paused"
            && each.GetProperty("step").GetInt32() > 0);
        Assert.That(state.GetProperty("state").GetString(), Is.EqualTo("failed"));
        var (status, answer) = await _lab.Ask("/api/train", """{"run": "b", "steps": 1}""");
        Assert.That(status, Is.EqualTo(400));
        Assert.That(Message(answer), Does.StartWith("run b has ended: "));
        await _lab.Train("b", """{"method": "lora", "size": 1}""", 1);
        await _lab.Ask("/api/close", """{"run": "b"}""");
        Assert.That(await _lab.State("b") is null);
    }

    private static string Message(JsonElement answer) => answer.GetProperty("error").GetProperty("message").GetString()!;
}
