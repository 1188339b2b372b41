namespace PeftCore.Tests;

public sealed class ErrorTests
{
    [TestCase("a.json: the name is \"x\".", ExpectedResult = "a.json: the name is \"x\".")]
    [TestCase("the value is [\r\n    1,\n\n    2\n  ].", ExpectedResult = "the value is [ 1, 2 ].")]
    [TestCase("the name is \"a\0b\tc\u001b\".", ExpectedResult = "the name is \"a\\u0000b\\u0009c\\u001b\".")]
    [TestCase("the text is é 😀.", ExpectedResult = "the text is é 😀.")]
    public string A_message_stays_one_line_whatever_it_quotes(string message) => new BadInputException(message).Message;

    [Test]
    public void A_message_that_quotes_too_much_keeps_its_begin_and_its_end()
    {
        string message = new BadInputException($"a.json: the value is {new string('x', 100_000)}, expected a number.").Message;

        Assert.That(message, Does.StartWith("a.json: the value is xxx").And.EndWith("xxx, expected a number.").And.Length.LessThan(1000));
    }
}
